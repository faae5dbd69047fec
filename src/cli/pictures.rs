//! Pictures out of a project: to the screen, or to a file.

use std::path::Path;

use image::RgbImage;

use super::making::check_picture_target;
use crate::imaging;
use crate::store::Reader;

/// A stored picture, checked against its hash.
pub fn open(reader: &Reader, blob: &blake3::Hash) -> anyhow::Result<RgbImage> {
    reader.blobs().read(blob)?;
    Ok(imaging::open_picture(&reader.blobs().path(blob))?.picture)
}

/// Writes a stored picture to a file of its own, byte by byte as it is.
pub fn write(reader: &Reader, blob: &blake3::Hash, path: &Path) -> anyhow::Result<()> {
    check_picture_target(path)?;
    imaging::write_whole(path, &reader.blobs().read(blob)?)?;
    Ok(())
}
