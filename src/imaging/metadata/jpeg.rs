//! The metadata segments of a JPEG (ITU-T T.81, annex B): EXIF, XMP and comments.

use super::{Collector, MAX_TEXT_BYTES, TooLong, exif, utf8_or_latin1};

const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

pub(super) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), TooLong> {
    // EXIF of more than 64 KiB continues in further segments.
    let mut exif_data: Vec<u8> = Vec::new();
    for (marker, data) in segments(bytes) {
        match marker {
            0xe1 => {
                if let Some(data) = data.strip_prefix(EXIF) {
                    if exif::has_header(data) && !exif_data.is_empty() {
                        exif::read(&std::mem::take(&mut exif_data), collector)?;
                    }
                    if exif_data.len() + data.len() > MAX_TEXT_BYTES {
                        return Err(TooLong);
                    }
                    exif_data.extend_from_slice(data);
                } else if let Some(packet) = data.strip_prefix(XMP) {
                    collector.add_xmp(packet)?;
                }
            }
            0xfe => {
                collector.count()?;
                collector.add("Comment", utf8_or_latin1(data))?;
            }
            _ => {}
        }
    }
    exif::read(&exif_data, collector)
}

/// The markers before the first scan, and their data.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    std::iter::from_fn(move || {
        // Fill bytes may precede a marker.
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let &[0xff, marker, high, low] = bytes.get(at..at + 4)? else { return None };
        // End of image and start of scan.
        if matches!(marker, 0xd9 | 0xda) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data = bytes.get(at + 4..at + 2 + length.max(2))?;
        at += 2 + length.max(2);
        Some((marker, data))
    })
}
