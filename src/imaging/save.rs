//! Encodes PNGs and writes files atomically.

use std::io::Write;
use std::path::{Path, PathBuf};

use image::RgbImage;
use tempfile::NamedTempFile;

use super::metadata::XMP;
use super::provenance::RECORD;
use super::{Error, Provenance, Result};

/// Checks that a file can be written to `path`, before any work is spent on it.
pub fn check_target(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(unwritable(path, "it is a folder"));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "does not exist" };
        return Err(unwritable(path, format!("{} {what}", folder.display())));
    }
    temporary(path).map(drop)
}

/// Writes a PNG with its provenance and returns the BLAKE3 hash of the file.
pub fn write_png(path: &Path, picture: &RgbImage, provenance: &Provenance) -> Result<String> {
    write_atomically(path, &encode_png(picture, provenance)?)
}

/// Encodes a PNG with its provenance.
pub fn encode_png(picture: &RgbImage, provenance: &Provenance) -> Result<Vec<u8>> {
    encode(picture, provenance).map_err(|error| Error::Unencodable { reason: error.to_string() })
}

/// Encodes a PNG without any metadata.
pub fn plain_png(picture: &RgbImage) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut writer = encoder(&mut bytes, picture).write_header()?;
    writer.write_image_data(picture.as_raw())?;
    writer.finish()?;
    Ok(bytes)
}

/// Writes a temporary file beside `path`, syncs it to the disk and renames it: readers see the old file or the complete
/// new one. Returns the BLAKE3 hash in hexadecimal.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<String> {
    let mut file = temporary(path)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|error| unwritable(path, error))?;
    file.persist(path).map_err(|error| unwritable(path, error.error))?;
    Ok(blake3::hash(bytes).to_hex().to_string())
}

fn encode(picture: &RgbImage, provenance: &Provenance) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = encoder(&mut bytes, picture);
    encoder.add_itxt_chunk(XMP.to_owned(), provenance.xmp())?;
    encoder.add_itxt_chunk(RECORD.to_owned(), provenance.record.to_string())?;
    for text in &provenance.texts {
        let (keyword, text) = (text.keyword.clone(), text.text.replace('\0', ""));
        if is_latin1(&text) {
            encoder.add_text_chunk(keyword, text)?;
        } else {
            encoder.add_itxt_chunk(keyword, text)?;
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.as_raw())?;
    writer.finish()?;
    Ok(bytes)
}

/// Whether a tEXt chunk can hold the text, which is in Latin-1. Readers take bytes that are valid UTF-8 for UTF-8.
fn is_latin1(text: &str) -> bool {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.is_some_and(|bytes| text.is_ascii() || std::str::from_utf8(&bytes).is_err())
}

fn encoder<'b>(bytes: &'b mut Vec<u8>, picture: &RgbImage) -> png::Encoder<'b, &'b mut Vec<u8>> {
    let mut encoder = png::Encoder::new(bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    encoder
}

/// An empty file beside the target, deleted unless it is renamed. It gets the permissions of the user's other new files,
/// not the private ones of temporary files.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pentimento-").suffix(".png");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path)).map_err(|error| unwritable(path, plain_reason(&error)))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The system's message without the temporary file's name.
fn plain_reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    }
}

fn unwritable(path: &Path, reason: impl ToString) -> Error {
    Error::Unwritable { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imaging::metadata::Text;
    use serde_json::json;

    #[test]
    fn a_written_picture_is_read_back_with_its_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = RgbImage::from_fn(9, 5, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let provenance = Provenance {
            texts: vec![Text { keyword: "parameters".to_owned(), text: "肖像\nSteps: 1".to_owned() }],
            ..Provenance::composed(json!({"prompt": "肖像"}))
        };
        let hash = write_png(&path, &picture, &provenance).unwrap();

        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(hash, blake3::hash(&bytes).to_hex().to_string());
        assert_eq!(super::super::open_picture(&path).unwrap().picture, picture);
        let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let texts: Vec<(String, String)> =
            reader.info().utf8_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap())).collect();
        assert!(texts[0].1.contains(super::super::provenance::DIGITAL_SOURCE_TYPE));
        assert!(texts.iter().any(|(keyword, text)| keyword == "pentimento" && text.contains("肖像")));
        assert!(texts.iter().any(|(keyword, text)| keyword == "parameters" && text.starts_with("肖像")));
        // No temporary file is left.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_impossible_target_is_reported_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_target(&folder.path().join("new.png")).is_ok());
        let missing = check_target(&folder.path().join("nowhere/new.png")).unwrap_err().to_string();
        assert!(missing.contains("does not exist"), "{missing}");
        let folder_error = check_target(folder.path()).unwrap_err().to_string();
        assert!(folder_error.contains("folder"), "{folder_error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
