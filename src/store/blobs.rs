//! Files named by the BLAKE3 hash of their content: `blobs/ab/abcd….`
//!
//! A file is written under a temporary name in its folder, synced, renamed, and the folder is synced. Only then may a
//! row refer to it. A file without a row is harmless; it is deleted later as an orphan.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::disk::Folder;
use super::temporary::Temporary;
use super::{Error, Result, layout};

/// Prefix of files that are being written.
pub(super) const UNFINISHED: &str = ".new-";

/// Limit of a blob in bytes: a reference of the largest size, as PNG.
pub const MAX_BLOB: u64 = 512 << 20;

/// The blobs of a project.
#[derive(Clone, Debug)]
pub struct Blobs {
    project: Arc<Folder>,
    /// Where they are, for messages.
    path: PathBuf,
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
    pub(super) fn new(project: Arc<Folder>) -> Self {
        let path = layout::blobs(project.path());
        Self { project, path }
    }

    /// The folder that holds them.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    pub fn path(&self, hash: &blake3::Hash) -> PathBuf {
        self.project.path_of(file_name(hash))
    }

    /// Reads a blob and checks it against its hash.
    pub fn read(&self, hash: &blake3::Hash) -> Result<Vec<u8>> {
        let path = self.path(hash);
        match self.read_file(hash) {
            Ok(Some(bytes)) if blake3::hash(&bytes) == *hash => Ok(bytes),
            Ok(_) => Err(Error::BlobChanged { hash: *hash, path }),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR) => Err(Error::BlobMissing { hash: *hash, path }),
                // A link, or a socket.
                Some(Errno::LOOP | Errno::NXIO) => Err(Error::BlobChanged { hash: *hash, path }),
                _ => Err(Error::file(&path, "read", error)),
            },
        }
    }

    /// The bytes of a file; `None` if it is no regular file, or too large for a blob.
    fn read_file(&self, hash: &blake3::Hash) -> io::Result<Option<Vec<u8>>> {
        let file = self.project.open_file(file_name(hash))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > MAX_BLOB {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.take(MAX_BLOB + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The size of a blob's file in bytes; `None` if there is none.
    pub(super) fn size(&self, hash: &blake3::Hash) -> Option<u64> {
        self.project.size(file_name(hash))
    }

    /// Stores bytes durably under their hash. An intact file is kept; a damaged one is replaced.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<blake3::Hash> {
        let hash = blake3::hash(bytes);
        self.put_all(&[hash], &|_| Ok(bytes.to_vec()))?;
        Ok(hash)
    }

    /// Stores many blobs durably. Each folder is synced once, at the end.
    pub(super) fn put_all(&self, hashes: &[blake3::Hash], fetch: &Source<'_>) -> Result<()> {
        let mut folders = BTreeMap::new();
        for hash in hashes {
            let name = folder_name(hash);
            let folder = match folders.get(&name) {
                Some(folder) => Arc::clone(folder),
                None => Arc::new(self.project.make_folder(&name)?),
            };
            // The folder of an intact file is synced too, because the program that wrote it may have died before that.
            if self.read(hash).is_err() {
                let failed = |error| Error::file(&self.path(hash), "write", error);
                let mut file = Temporary::new(&folder, UNFINISHED, "")?;
                file.write_all(&fetch(hash)?).map_err(failed)?;
                file.replace(hash.to_hex().as_str())?;
            }
            folders.insert(name, folder);
        }
        folders.values().try_for_each(|folder| folder.sync())
    }

    /// Deletes files, if they exist, so that a power cut does not bring them back.
    pub(super) fn remove(&self, hashes: &[blake3::Hash]) -> Result<()> {
        let mut folders = BTreeSet::new();
        for hash in hashes {
            if self.project.remove(file_name(hash))? {
                folders.insert(folder_name(hash));
            }
        }
        folders.iter().try_for_each(|folder| self.project.folder(folder)?.map_or(Ok(()), |folder| folder.sync()))
    }

    /// The folder itself, opened; `None` if the project has none.
    pub(super) fn open_folder(&self) -> Result<Option<Arc<Folder>>> {
        Ok(self.project.folder(layout::BLOBS)?.map(Arc::new))
    }

    /// All files below the folder, each with the hash in its name; `None` if its name is not a hash.
    pub(super) fn files(&self) -> Result<Vec<(PathBuf, Option<blake3::Hash>)>> {
        let mut files = Vec::new();
        let Some(root) = self.open_folder()? else { return Ok(files) };
        for name in root.names()? {
            let Some(folder) = root.folder(&name)? else {
                files.push((root.path_of(&name), None));
                continue;
            };
            for name in folder.names()? {
                let path = folder.path_of(&name);
                let hash = name.to_str().and_then(|name| blake3::Hash::from_hex(name).ok());
                let hash = hash.filter(|hash| self.path(hash) == path);
                files.push((path, hash));
            }
        }
        Ok(files)
    }
}

/// The folder of a blob, relative to the project.
pub(super) fn folder_name(hash: &blake3::Hash) -> String {
    format!("{}/{}", layout::BLOBS, &hash.to_hex()[..2])
}

/// The file of a blob, relative to the project.
fn file_name(hash: &blake3::Hash) -> String {
    format!("{}/{}", folder_name(hash), hash.to_hex())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let project = Folder::create(&folder.path().join("p")).unwrap();
        project.make_folder(layout::BLOBS).unwrap();
        (folder, Blobs::new(Arc::new(project)))
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

    #[test]
    fn only_a_regular_file_of_a_blobs_size_is_read() {
        let (folder, blobs) = blobs();
        let hash = blobs.put(b"picture").unwrap();
        let path = blobs.path(&hash);
        let other = folder.path().join("other");
        fs::write(&other, b"picture").unwrap();
        let replacements: [&dyn Fn(); 5] = [
            &|| symlink(&other, &path).unwrap(),
            &|| symlink("/dev/zero", &path).unwrap(),
            &|| fs::create_dir(&path).unwrap(),
            &|| {
                let mode = rustix::fs::Mode::RWXU;
                rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            },
            &|| fs::File::create(&path).unwrap().set_len(MAX_BLOB + 1).unwrap(),
        ];
        for replace in replacements {
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            replace();
            let read = blobs.read(&hash);
            assert!(matches!(read, Err(Error::BlobChanged { .. })), "{:?}", read.map(|bytes| bytes.len()));
        }
    }
}
