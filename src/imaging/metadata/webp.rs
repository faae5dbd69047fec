//! The metadata chunks of a WebP: EXIF and XMP, wherever they are and whatever the header's flags say.

use super::{Collector, MAX_TEXT_BYTES, TooLong, exif};

pub(super) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), TooLong> {
    let mut at = 12;
    // Type (4), length (4), data, a byte of padding after an odd length.
    while let Some(&[a, b, c, d, l0, l1, l2, l3]) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some(data) = bytes.get(at + 8..at + 8 + length) else { break };
        match &[a, b, c, d] {
            b"EXIF" | b"XMP " if data.len() > MAX_TEXT_BYTES => return Err(TooLong),
            // Some programs keep the prefix of a JPEG's segment.
            b"EXIF" => exif::read(data.strip_prefix(b"Exif\0\0").unwrap_or(data), collector)?,
            b"XMP " => collector.add_xmp(data)?,
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    Ok(())
}
