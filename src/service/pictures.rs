//! Stored pictures, decoded for showing.

use std::path::Path;

use image::RgbImage;

use super::Result;
use crate::imaging;
use crate::store::Reader;

/// Opens a stored picture after checking it against its hash.
pub fn open(reader: &Reader, blob: &blake3::Hash) -> Result<RgbImage> {
    let bytes = reader.blobs().read(blob)?;
    Ok(imaging::decode_picture(&reader.blobs().path(blob), &bytes)?)
}

/// The difference of two stored pictures, pixel by pixel.
pub fn difference(reader: &Reader, one: &blake3::Hash, other: &blake3::Hash) -> Result<RgbImage> {
    Ok(imaging::difference(&open(reader, one)?, &open(reader, other)?))
}

/// Decodes the preview of a running run, a PNG that the worker stored.
pub fn preview(png: &[u8]) -> Result<RgbImage> {
    Ok(imaging::decode_picture(Path::new("preview"), png)?)
}
