//! The text chunks of a PNG (ISO/IEC 15948, 11.3.3), wherever they are, and its EXIF.

use std::io::Cursor;

use super::{Collector, MAX_TEXT_BYTES, MAX_TOTAL_BYTES, TooLong, be32, exif, utf8_or_latin1, wanted};

/// Chunks with EXIF as hexadecimal text, as ImageMagick writes them.
const RAW_PROFILES: [&str; 2] = ["Raw profile type exif", "Raw profile type APP1"];

/// A PNG of one pixel. The decoder reads text chunks only as part of a PNG.
const SIGNATURE_AND_HEADER: [u8; 33] = [
    0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8,
    0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55,
];
const START_OF_PIXELS: [u8; 8] = [0, 0, 0, 0, b'I', b'D', b'A', b'T'];

pub(super) fn read(bytes: &[u8], collector: &mut Collector) -> Result<(), TooLong> {
    let mut at = 8;
    // Length (4), type (4), data, checksum (4).
    while let Some(length) = be32(bytes, at) {
        let Some(chunk) = bytes.get(at..at + 12 + length) else { break };
        let (kind, data) = (&chunk[4..8], &chunk[8..8 + length]);
        match kind {
            b"IEND" => break,
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
                let keyword: String = data[..end].iter().map(|&byte| char::from(byte)).collect();
                let is_profile = RAW_PROFILES.contains(&keyword.as_str());
                if wanted(&keyword).is_some() || is_profile {
                    collector.count()?;
                    let text = text(kind, data.get(end + 1..).unwrap_or_default(), chunk)?;
                    match text {
                        Some(text) if is_profile => {
                            let profile = profile(&text);
                            exif::read(profile.strip_prefix(b"Exif\0\0").unwrap_or(&profile), collector)?;
                        }
                        Some(text) if keyword == super::XMP => collector.add_xmp(text.as_bytes())?,
                        Some(text) => collector.add(&keyword, text)?,
                        None => {}
                    }
                }
            }
            b"eXIf" => exif::read(data, collector)?,
            _ => {}
        }
        at += 12 + length;
    }
    Ok(())
}

/// The text of a chunk; `None` if it is damaged. `data` follows the keyword.
fn text(kind: &[u8], data: &[u8], chunk: &[u8]) -> Result<Option<String>, TooLong> {
    if data.len() > MAX_TEXT_BYTES {
        return Err(TooLong);
    }
    if kind == b"tEXt" {
        return Ok(Some(utf8_or_latin1(data)));
    }
    let png = [&SIGNATURE_AND_HEADER, chunk, &START_OF_PIXELS].concat();
    let decoder = png::Decoder::new_with_limits(Cursor::new(png), png::Limits { bytes: MAX_TOTAL_BYTES });
    let Ok(reader) = decoder.read_info() else { return Ok(None) };
    let info = reader.info();
    if let Some(mut text) = info.utf8_text.first().cloned() {
        text.decompress_text_with_limit(MAX_TEXT_BYTES).map_err(|_| TooLong)?;
        return Ok(text.get_text().ok());
    }
    let Some(mut text) = info.compressed_latin1_text.first().cloned() else { return Ok(None) };
    text.decompress_text_with_limit(MAX_TEXT_BYTES).map_err(|_| TooLong)?;
    // The decoder turned every byte into a character.
    Ok(text.get_text().ok().map(|text| utf8_or_latin1(&text.chars().map(|c| c as u8).collect::<Vec<_>>())))
}

/// The bytes of a profile: its name and length in decimal, then hexadecimal digits.
fn profile(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().skip(2).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks_exact(2).map_while(byte).collect()
}
