//! Reads the metadata of a JPEG file, which stands in segments before the coded data (ITU-T T.81, annex B).

use image::metadata::Orientation;

const EXIF: &[u8] = b"Exif\0\0";
const ICC: &[u8] = b"ICC_PROFILE\0";

/// The EXIF orientation, if there is a valid one.
pub(super) fn orientation(bytes: &[u8]) -> Option<Orientation> {
    segments(bytes)
        .filter(|&(marker, _)| marker == 0xe1)
        .find_map(|(_, data)| Orientation::from_exif_chunk(data.strip_prefix(EXIF)?))
}

/// The colour profile, put together from its numbered parts, if all are there.
pub(super) fn colour_profile(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<(u8, u8, &[u8])> = segments(bytes)
        .filter(|&(marker, _)| marker == 0xe2)
        .filter_map(|(_, data)| match data.strip_prefix(ICC)? {
            [number, count, part @ ..] => Some((*number, *count, part)),
            _ => None,
        })
        .collect();
    parts.sort_by_key(|&(number, ..)| number);
    let count = parts.first()?.1;
    let whole = parts.len() == usize::from(count)
        && parts.iter().zip(1..).all(|(part, number)| part.0 == number && part.1 == count);
    whole.then(|| parts.into_iter().flat_map(|(.., part)| part).copied().collect())
}

/// What the frame header says.
pub(super) struct Frame {
    /// C0 to CF: how the picture is coded.
    pub marker: u8,
    /// The bits of a sample.
    pub bits: u8,
    pub width: u32,
    pub height: u32,
    pub components: u8,
}

/// The frame header, if it stands before the first scan.
pub(super) fn frame(bytes: &[u8]) -> Option<Frame> {
    // C4, C8 and CC are tables.
    let is_frame = |marker| (0xc0..=0xcf).contains(&marker) && ![0xc4, 0xc8, 0xcc].contains(&marker);
    let (marker, data) = segments(bytes).find(|&(marker, _)| is_frame(marker))?;
    let [bits, h1, h0, w1, w0, components, ..] = *data else { return None };
    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
    Some(Frame { marker, bits, width: side(w1, w0), height: side(h1, h0), components })
}

/// The marker and the data of each segment before the first scan.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    std::iter::from_fn(move || {
        // Fill bytes may stand before a marker.
        while bytes.get(at) != Some(&0xff) || bytes.get(at + 1) == Some(&0xff) {
            bytes.get(at)?;
            at += 1;
        }
        let marker = *bytes.get(at + 1)?;
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
        let data = bytes.get(at + 4..at + 2 + length)?;
        at += 2 + length;
        (marker != 0xda).then_some((marker, data))
    })
}
