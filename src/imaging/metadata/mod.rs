//! Finds the texts in an image file: text chunks of a PNG; EXIF and XMP of a PNG, JPEG or WebP. The bytes decide the
//! format.
//!
//! Files are untrusted: sizes and counts are limited, and a damaged part is left out.

mod exif;
mod jpeg;
mod png;
mod webp;
mod xmp;

use std::path::Path;

use super::{Error, Result};

/// The limit for one text, in bytes. Prompts have a few hundred, node graphs some hundred thousand.
pub(super) const MAX_TEXT_BYTES: usize = 2 << 20;
/// The limit for all texts of a file, in bytes.
const MAX_TOTAL_BYTES: usize = 8 << 20;
/// The limit for the number of texts that are decoded.
const MAX_TEXTS: usize = 500;

/// Keywords that the formats define. EXIF tags have the names of the EXIF standard.
pub(super) const XMP: &str = "XML:com.adobe.xmp";
pub(super) const USER_COMMENT: &str = "UserComment";
pub(super) const IMAGE_DESCRIPTION: &str = "ImageDescription";

/// Keywords whose texts are read. Others are not even decompressed.
const WANTED: [&str; 21] = [
    XMP,
    USER_COMMENT,
    IMAGE_DESCRIPTION,
    "Make",
    "Model",
    "Software",
    "MakerNote",
    "XPComment",
    "parameters",
    "pentimento",
    "prompt",
    "workflow",
    "invokeai_metadata",
    "sd-metadata",
    "Dream",
    "fooocus_scheme",
    "Title",
    "Description",
    "Comment",
    "Source",
    "negative_prompt",
];

/// A text and its keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub keyword: String,
    pub text: String,
}

/// The texts of a file, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub texts: Vec<Text>,
    /// What the file has but nothing here can decode.
    pub undecoded: Vec<&'static str>,
}

/// Reads the texts of a file. `path` is for error messages.
///
/// # Errors
/// If a text or all texts together are too long.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Metadata> {
    let mut collector = Collector::default();
    let read = match bytes {
        [0x89, b'P', b'N', b'G', ..] => png::read(bytes, &mut collector),
        [0xff, 0xd8, ..] => jpeg::read(bytes, &mut collector),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::read(bytes, &mut collector),
        _ => Ok(()),
    };
    read.map_err(|TooLong| Error::TooMuchText { path: path.to_owned(), limit: MAX_TEXT_BYTES })?;
    Ok(collector.metadata)
}

impl Metadata {
    /// The first text with a keyword.
    pub fn text(&self, keyword: &str) -> Option<&str> {
        self.texts.iter().find(|text| text.keyword == keyword).map(|text| text.text.as_str())
    }
}

/// A text, or all texts together, are over the limit.
struct TooLong;

/// Collects texts within the limits.
#[derive(Default)]
struct Collector {
    metadata: Metadata,
    bytes: usize,
    decoded: usize,
}

impl Collector {
    /// Counts a text before it is decoded, even if nothing comes of it.
    fn count(&mut self) -> std::result::Result<(), TooLong> {
        self.decoded += 1;
        if self.decoded > MAX_TEXTS { Err(TooLong) } else { Ok(()) }
    }

    fn add(&mut self, keyword: &str, text: String) -> std::result::Result<(), TooLong> {
        let Some(keyword) = wanted(keyword) else { return Ok(()) };
        self.bytes += text.len();
        if text.len() > MAX_TEXT_BYTES || self.bytes > MAX_TOTAL_BYTES {
            return Err(TooLong);
        }
        if !text.trim().is_empty() {
            self.metadata.texts.push(Text { keyword: keyword.to_owned(), text });
        }
        Ok(())
    }

    fn add_xmp(&mut self, packet: &[u8]) -> std::result::Result<(), TooLong> {
        self.count()?;
        let packet = utf8_or_latin1(packet);
        if let Some(comment) = xmp::user_comment(&packet) {
            self.add(USER_COMMENT, comment)?;
        }
        self.add(XMP, packet)
    }

    fn add_undecoded(&mut self, what: &'static str) {
        if !self.metadata.undecoded.contains(&what) {
            self.metadata.undecoded.push(what);
        }
    }
}

/// The usual spelling of a keyword whose text is read.
fn wanted(keyword: &str) -> Option<&'static str> {
    WANTED.into_iter().find(|known| known.eq_ignore_ascii_case(keyword))
}

/// Decodes UTF-8, or else Latin-1, in which every byte is a character. Programs often write UTF-8 where the format says
/// Latin-1; text in Latin-1 is hardly ever valid UTF-8.
fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// The big-endian number at `at`.
fn be32(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([number[0], number[1], number[2], number[3]]) as usize)
}

#[cfg(test)]
mod tests;
