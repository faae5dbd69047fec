//! The texts in EXIF (CIPA DC-008, a TIFF structure): the user comment, the description and a few others.

use super::{Collector, MAX_TEXT_BYTES, TooLong, utf8_or_latin1};

/// The tags with texts, and their keywords. Programs write them in either directory.
const TAGS: [(u16, &str); 7] = [
    (0x010e, super::IMAGE_DESCRIPTION),
    (0x010f, "Make"),
    (0x0110, "Model"),
    (0x0131, "Software"),
    (0x927c, "MakerNote"),
    (USER_COMMENT, super::USER_COMMENT),
    (XP_COMMENT, "XPComment"),
];
const USER_COMMENT: u16 = 0x9286;
const XP_COMMENT: u16 = 0x9c9c;
/// The tag that points to the directory with the user comment.
const EXIF_DIRECTORY: u16 = 0x8769;
/// The most entries of a directory that are read.
const MAX_ENTRIES: usize = 500;

/// Whether a TIFF structure starts here.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    order(bytes).is_some()
}

/// Reads the texts of both directories. Damaged entries are left out.
pub(super) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), TooLong> {
    let Some(order) = order(bytes) else { return Ok(()) };
    let tiff = Tiff { bytes, order };
    let Some(first) = tiff.long(4) else { return Ok(()) };
    let mut exif_directory = None;
    for entry in tiff.entries(first) {
        match entry.tag {
            EXIF_DIRECTORY => exif_directory = tiff.long(entry.at + 8),
            _ => tiff.add(&entry, collector)?,
        }
    }
    for entry in exif_directory.into_iter().flat_map(|at| tiff.entries(at)) {
        tiff.add(&entry, collector)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

fn order(bytes: &[u8]) -> Option<Order> {
    match bytes.get(..4)? {
        b"II*\0" => Some(Order::Little),
        b"MM\0*" => Some(Order::Big),
        _ => None,
    }
}

struct Tiff<'a> {
    bytes: &'a [u8],
    order: Order,
}

/// An entry of a directory: tag (2), type (2), number of values (4), the values or their position (4).
struct Entry {
    tag: u16,
    at: usize,
}

impl<'a> Tiff<'a> {
    fn short(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.order == Order::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let number = if self.order == Order::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        Some(number as usize)
    }

    fn entries(&self, directory: usize) -> impl Iterator<Item = Entry> {
        let count = usize::from(self.short(directory).unwrap_or(0)).min(MAX_ENTRIES);
        let entries = (0..count).map(move |number| directory + 2 + 12 * number);
        entries.map_while(|at| Some(Entry { tag: self.short(at)?, at }))
    }

    /// Adds the text of an entry, if it has one.
    fn add(&self, entry: &Entry, collector: &mut Collector) -> Result<(), TooLong> {
        let Some((_, keyword)) = TAGS.iter().find(|(tag, _)| *tag == entry.tag) else { return Ok(()) };
        let Some(bytes) = self.value(entry.at) else { return Ok(()) };
        collector.count()?;
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(TooLong);
        }
        let text = match entry.tag {
            USER_COMMENT => match user_comment(bytes, self.order) {
                Ok(text) => text,
                Err(Undecoded(what)) => {
                    collector.add_undecoded(what);
                    return Ok(());
                }
            },
            XP_COMMENT => utf16(bytes, Order::Little),
            _ => utf8_or_latin1(bytes),
        };
        collector.add(keyword, text.trim_end_matches('\0').to_owned())
    }

    /// The bytes of an entry whose values are single bytes.
    fn value(&self, entry: usize) -> Option<&'a [u8]> {
        // Bytes, ASCII, undefined, UTF-8.
        if ![1, 2, 7, 129].contains(&self.short(entry + 2)?) {
            return None;
        }
        let count = self.long(entry + 4)?;
        let at = if count <= 4 { entry + 8 } else { self.long(entry + 8)? };
        self.bytes.get(at..at.checked_add(count)?)
    }
}

/// What cannot be decoded.
struct Undecoded(&'static str);

/// Decodes a user comment: eight bytes that name the encoding, then the text. Some programs leave out the eight bytes.
fn user_comment(bytes: &[u8], order: Order) -> Result<String, Undecoded> {
    let Some((code, text)) = bytes.split_at_checked(8) else { return Ok(utf8_or_latin1(bytes)) };
    if code == [0; 8] {
        // Undefined: UTF-8 in practice.
        return Ok(if text.contains(&0) { utf16(text, order) } else { utf8_or_latin1(text) });
    }
    match code.to_ascii_uppercase().as_slice() {
        b"UNICODE\0" => Ok(utf16(text, order)),
        b"ASCII\0\0\0" => Ok(utf8_or_latin1(text)),
        b"JIS\0\0\0\0\0" => Err(Undecoded("an EXIF user comment in JIS")),
        _ => Ok(utf8_or_latin1(bytes)),
    }
}

/// Decodes UTF-16. Without a byte order mark, writers disagree on the order: some use that of the EXIF, others their
/// machine's. Settings are mostly ASCII, so the order that gives more ASCII is right. Text without a zero byte that is
/// valid UTF-8 is UTF-8 under a wrong name.
fn utf16(bytes: &[u8], order: Order) -> String {
    let decode = |bytes: &[u8], order: Order| {
        let unit = |pair: &[u8]| match order {
            Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
            Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
        };
        String::from_utf16_lossy(&bytes.chunks_exact(2).map(unit).collect::<Vec<_>>())
    };
    match bytes {
        [0xfe, 0xff, rest @ ..] => return decode(rest, Order::Big),
        [0xff, 0xfe, rest @ ..] => return decode(rest, Order::Little),
        _ => {}
    }
    if !bytes.contains(&0)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    let ascii = |text: &str| text.bytes().filter(|byte| (1..0x80).contains(byte)).count();
    let (big, little) = (decode(bytes, Order::Big), decode(bytes, Order::Little));
    match ascii(&big).cmp(&ascii(&little)) {
        std::cmp::Ordering::Greater => big,
        std::cmp::Ordering::Less => little,
        std::cmp::Ordering::Equal => {
            if order == Order::Big {
                big
            } else {
                little
            }
        }
    }
}
