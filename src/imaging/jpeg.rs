//! Reads the markers of a JPEG file (ITU-T T.81, annex B), because the decoder reports neither truncation nor CMYK.

/// What the markers say.
pub(super) struct Structure {
    /// 1: grey, 3: colour, 4: CMYK.
    pub components: u8,
}

/// Reads all markers up to the end of the image. The decoder fills missing data with grey, so this finds incomplete
/// downloads.
pub(super) fn read_structure(bytes: &[u8]) -> Result<Structure, &'static str> {
    const TRUNCATED: &str = "it is truncated";
    let mut components = None;
    let mut at = 2;
    loop {
        // Skips fill bytes before a marker and the coded data of a scan.
        while *bytes.get(at).ok_or(TRUNCATED)? != 0xff || matches!(bytes.get(at + 1), Some(0x00 | 0xff)) {
            at += 1;
        }
        let marker = *bytes.get(at + 1).ok_or(TRUNCATED)?;
        at += 2;
        match marker {
            // End of image.
            0xd9 => return components.map(|components| Structure { components }).ok_or("it contains no image"),
            // Restarts and start of image have no length.
            0xd0..=0xd8 | 0x01 => continue,
            // Start of frame of any kind; C4, C8 and CC are tables.
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                // length (2), precision (1), height (2), width (2), components (1)
                let frame = bytes.get(at..at + 8).ok_or(TRUNCATED)?;
                if frame[3..5] == [0, 0] || frame[5..7] == [0, 0] {
                    return Err("it is zero pixels wide or high");
                }
                components.get_or_insert(frame[7]);
            }
            _ => {}
        }
        let length = bytes.get(at..at + 2).ok_or(TRUNCATED)?;
        at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded() -> Vec<u8> {
        let picture = image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, 90]));
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        bytes
    }

    #[test]
    fn a_complete_file_is_read_to_its_end() {
        assert_eq!(read_structure(&encoded()).unwrap().components, 3);
    }

    #[test]
    fn every_truncated_file_is_found() {
        let bytes = encoded();
        for length in 2..bytes.len() - 1 {
            assert!(read_structure(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
        }
    }

    #[test]
    fn bytes_after_the_end_are_ignored() {
        let mut bytes = encoded();
        bytes.extend_from_slice(b"a phone's second picture");
        assert!(read_structure(&bytes).is_ok());
    }
}
