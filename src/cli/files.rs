//! Picture files that commands write.

use std::path::{Path, PathBuf};

use super::failure::UsageError;
use crate::imaging;
use crate::store::{self, Reader};

/// Checks before the model loads that a picture can be written to a path. Pictures are always PNG.
pub fn check_picture_path(path: &Path) -> anyhow::Result<()> {
    let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    // `check_target` has a better error for a folder.
    if !is_png && !path.is_dir() {
        let name = path.display();
        return Err(UsageError(format!("cannot write {name} as a picture: use a file name that ends in .png")).into());
    }
    Ok(imaging::check_target(path)?)
}

/// Refuses to replace a file, unless `--force` was given.
pub fn check_is_new(path: &Path, force: bool) -> Result<(), store::Error> {
    // A link that leads nowhere counts, too.
    let exists = !path.is_dir() && path.symlink_metadata().is_ok();
    if exists && !force { Err(store::Error::FileExists { path: path.to_owned() }) } else { Ok(()) }
}

/// The path of one of several pictures: `-SEED` before the extension.
pub fn with_seed(path: &Path, seed: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{seed}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Writes a stored picture to a file, byte for byte.
pub fn write_stored(reader: &Reader, blob: &blake3::Hash, path: &Path, force: bool) -> anyhow::Result<()> {
    check_picture_path(path)?;
    check_is_new(path, force)?;
    imaging::write_atomically(path, &reader.blobs().read(blob)?)?;
    Ok(())
}
