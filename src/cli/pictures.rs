//! Stored pictures written to files.

use std::path::Path;

use super::making::check_picture_target;
use crate::imaging;
use crate::store::Reader;

/// Writes a stored picture to a file of its own, byte by byte as it is.
pub fn write(reader: &Reader, blob: &blake3::Hash, path: &Path) -> anyhow::Result<()> {
    check_picture_target(path)?;
    imaging::write_atomically(path, &reader.blobs().read(blob)?)?;
    Ok(())
}
