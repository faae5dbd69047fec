//! Files named by the BLAKE3 hash of their content: `blobs/ab/abcd….`
//!
//! A file is written under a temporary name in its folder, synced, renamed, and the folder is synced. Only then may a
//! row refer to it. A file without a row is harmless; it is deleted later as an orphan.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::disk::{list, make_folder, replace, sync_folder, temporary_file};
use super::{Error, Result, layout};

/// Prefix of files that are being written.
pub(super) const UNFINISHED: &str = ".new-";

/// The folder of blobs.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

/// Bytes to store as a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// Such as `image/png`.
    pub media_type: &'static str,
}

/// Returns the bytes of the blob with a given hash.
pub type Source<'a> = dyn Fn(&blake3::Hash) -> Result<Vec<u8>> + 'a;

impl Blobs {
    pub(super) fn new(project: &Path) -> Self {
        Self { folder: layout::blobs(project) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn path(&self, hash: &blake3::Hash) -> PathBuf {
        let name = hash.to_hex();
        self.folder.join(&name[..2]).join(name.as_str())
    }

    /// Reads a blob and checks it against its hash.
    pub fn read(&self, hash: &blake3::Hash) -> Result<Vec<u8>> {
        let path = self.path(hash);
        match fs::read(&path) {
            Ok(bytes) if blake3::hash(&bytes) == *hash => Ok(bytes),
            Ok(_) => Err(Error::BlobChanged { hash: *hash, path }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::BlobMissing { hash: *hash, path }),
            Err(error) => Err(Error::file(&path, "read", error)),
        }
    }

    /// Stores bytes durably under their hash. An intact file is kept; a damaged one is replaced.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<blake3::Hash> {
        let hash = blake3::hash(bytes);
        if self.keep_existing(&hash) {
            return Ok(hash);
        }
        sync_folder(&self.write_file(&hash, bytes)?)?;
        Ok(hash)
    }

    /// Stores many blobs durably. Each folder is synced once, at the end.
    pub(super) fn put_all(&self, hashes: &[blake3::Hash], fetch: &Source<'_>) -> Result<()> {
        let mut folders = BTreeSet::new();
        for hash in hashes {
            if !self.keep_existing(hash) {
                folders.insert(self.write_file(hash, &fetch(hash)?)?);
            }
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }

    /// Whether an intact file exists. Its modification time is renewed, so that it is not collected as an orphan. Its
    /// folder is synced again, because the program that wrote the file may have died before it did that.
    fn keep_existing(&self, hash: &blake3::Hash) -> bool {
        let path = self.path(hash);
        let touch = || File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        self.read(hash).is_ok() && touch().is_ok() && sync_folder(path.parent().unwrap_or(&self.folder)).is_ok()
    }

    /// Writes a file atomically. Returns its folder, which the caller syncs.
    fn write_file(&self, hash: &blake3::Hash, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path(hash);
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.is_dir() {
            make_folder(folder)?;
            sync_folder(&self.folder)?;
        }
        let mut file = temporary_file(&path, UNFINISHED, "")?;
        file.write_all(bytes).map_err(|error| Error::file(&path, "write", error))?;
        replace(file, &path)?;
        Ok(folder.to_owned())
    }

    /// Deletes a file, if it exists.
    pub(super) fn remove(&self, hash: &blake3::Hash) -> Result<()> {
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(&path, "delete", error)),
            _ => Ok(()),
        }
    }

    /// All files below the folder, each with the hash in its name; `None` if its name is not a hash.
    pub(super) fn files(&self) -> Result<Vec<(PathBuf, Option<blake3::Hash>)>> {
        let mut files = Vec::new();
        for folder in list(&self.folder)? {
            if !folder.is_dir() {
                files.push((folder, None));
                continue;
            }
            for path in list(&folder)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let hash = blake3::Hash::from_hex(name).ok().filter(|hash| self.path(hash) == path);
                files.push((path, hash));
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(&folder.path().join("p"));
        make_folder(blobs.folder()).unwrap();
        (folder, blobs)
    }

    #[test]
    fn stored_bytes_are_private_and_read_back() {
        let (_folder, blobs) = blobs();
        let hash = blobs.put(b"picture").unwrap();
        assert_eq!(blobs.put(b"picture").unwrap(), hash);
        assert_eq!(blobs.read(&hash).unwrap(), b"picture");
        let path = blobs.path(&hash);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(blobs.folder())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn storing_again_repairs_a_damaged_file() {
        let (_folder, blobs) = blobs();
        let hash = blobs.put(b"picture").unwrap();
        fs::write(blobs.path(&hash), b"pictur3").unwrap();
        assert!(matches!(blobs.read(&hash), Err(Error::BlobChanged { .. })));
        blobs.put(b"picture").unwrap();
        assert_eq!(blobs.read(&hash).unwrap(), b"picture");
        fs::remove_file(blobs.path(&hash)).unwrap();
        assert!(matches!(blobs.read(&hash), Err(Error::BlobMissing { .. })));
    }
}
