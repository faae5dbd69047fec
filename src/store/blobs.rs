//! Files named by the BLAKE3 hash of what is in them: `blobs/ab/abcd….`
//!
//! A file appears whole or not at all: written under another name in the same folder, brought to the disk, renamed, the
//! folder brought to the disk. Only then may a row point to it. A file without a row is harmless, and collected later.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::columns::{Hash, Time};
use super::open::{make_folder, sync_folder};
use super::{Durability, Error, Result, Store};

/// Files younger than this may be about to get their row.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Marks files that are being written.
const UNFINISHED: &str = ".new-";

/// The folder of blobs.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

/// What is to become a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// `image/png`, …
    pub media_type: &'static str,
}

/// Where the bytes of blobs come from, one by one.
pub type Source<'a> = dyn Fn(&blake3::Hash) -> Result<Vec<u8>> + 'a;

impl Blobs {
    pub(super) fn new(project: &Path) -> Self {
        Self { folder: project.join("blobs") }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn path(&self, hash: &blake3::Hash) -> PathBuf {
        let name = hash.to_hex();
        self.folder.join(&name[..2]).join(name.as_str())
    }

    /// The bytes behind a hash, checked against it.
    pub fn read(&self, hash: &blake3::Hash) -> Result<Vec<u8>> {
        let path = self.path(hash);
        match fs::read(&path) {
            Ok(bytes) if blake3::hash(&bytes) == *hash => Ok(bytes),
            Ok(_) => Err(Error::BlobChanged { hash: *hash, path }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::BlobMissing { hash: *hash, path }),
            Err(error) => Err(Error::file(&path, "read", error)),
        }
    }

    /// Stores bytes; on return they are on the disk under their hash. Storing the same bytes again costs a look, and
    /// mends a file that has been damaged.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<blake3::Hash> {
        let hash = blake3::hash(bytes);
        if self.is_kept(&hash) {
            return Ok(hash);
        }
        sync_folder(&self.write_file(&hash, bytes)?)?;
        Ok(hash)
    }

    /// Whether a blob's file is there, whole and on the disk. Then it is young again, so that the collector leaves it to
    /// us; and the names are brought to the disk once more, because whoever wrote the file may have died in between.
    fn is_kept(&self, hash: &blake3::Hash) -> bool {
        let path = self.path(hash);
        let touch = || File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        self.read(hash).is_ok() && touch().is_ok() && sync_folder(path.parent().unwrap_or(&self.folder)).is_ok()
    }

    /// Writes a file, whole or not at all; gives the folder whose names are still to be brought to the disk.
    fn write_file(&self, hash: &blake3::Hash, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path(hash);
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.is_dir() {
            make_folder(folder)?;
            sync_folder(&self.folder)?;
        }
        // The file is its owner's alone: tempfile makes it so.
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(folder)
            .map_err(|error| Error::file(folder, "written", error))?;
        file.write_all(bytes).map_err(|error| Error::file(&path, "written", error))?;
        file.as_file().sync_all().map_err(|error| Error::file(&path, "written", error))?;
        file.persist(&path).map_err(|error| Error::file(&path, "written", error.error))?;
        Ok(folder.to_owned())
    }

    /// Stores many blobs; on return all are on the disk. The folders are brought there once, at the end.
    pub(super) fn put_all(&self, hashes: &[blake3::Hash], fetch: &Source<'_>) -> Result<()> {
        let mut folders = BTreeSet::new();
        for hash in hashes {
            if !self.is_kept(hash) {
                folders.insert(self.write_file(hash, &fetch(hash)?)?);
            }
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }

    /// Deletes a file; one that is gone already is fine.
    fn remove(&self, hash: &blake3::Hash) -> Result<()> {
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(&path, "deleted", error)),
            _ => Ok(()),
        }
    }

    /// Every file below the folder, and the hash it is named by (None: no blob's name).
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

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Error::file(folder, "read", error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect()
}

impl Store {
    /// Inside a transaction: the row of a blob whose file [`Blobs::put`] has written. Whoever deletes files does it
    /// under the write lock too, so a file that is there now stays; one that went in between is written again.
    pub(super) fn record_blob(&self, connection: &Connection, content: &Content, at: Timestamp) -> Result<Hash> {
        let hash = blake3::hash(&content.bytes);
        if !self.blobs.path(&hash).is_file() {
            self.blobs.put(&content.bytes)?;
        }
        record(connection, &hash, content.bytes.len() as u64, content.media_type, at)
    }

    /// Puts files in place, then runs the step that gives them their rows; if that is refused, the files go again.
    pub(super) fn write_with_blobs<T>(
        &self,
        contents: &[&Content],
        step: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        // Outside the transaction, so that nobody waits for the disk.
        let put = contents.iter().map(|content| self.blobs.put(&content.bytes)).collect::<Result<Vec<_>>>();
        let done = put.and_then(|_| self.write(Durability::Full, step));
        if done.is_err() {
            let hashes: Vec<_> = contents.iter().map(|content| blake3::hash(&content.bytes)).collect();
            self.take_back(&hashes);
        }
        done
    }

    /// The same for many files, whose bytes are fetched one by one.
    pub(super) fn write_with_files<T>(
        &self,
        hashes: &[blake3::Hash],
        fetch: &Source<'_>,
        step: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let put = self.blobs.put_all(hashes, fetch);
        let done = put.and_then(|()| self.write(Durability::Full, step));
        if done.is_err() {
            self.take_back(hashes);
        }
        done
    }

    /// Inside a transaction: the row of a blob whose file was put in place before, or can be fetched. Without a source
    /// the transaction is one that will be taken back, and there need be no file.
    pub(super) fn record_file(
        &self,
        connection: &Connection,
        hash: &blake3::Hash,
        media_type: &str,
        source: Option<&Source<'_>>,
        at: Timestamp,
    ) -> Result<Hash> {
        let path = self.blobs.path(hash);
        let mut size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if let Some(fetch) = source.filter(|_| !path.is_file()) {
            let bytes = fetch(hash)?;
            size = bytes.len() as u64;
            self.blobs.put(&bytes)?;
        }
        record(connection, hash, size, media_type, at)
    }

    /// Deletes files that were put in place for rows that did not come. What went wrong first is what counts; a file
    /// that stays behind is collected later.
    fn take_back(&self, hashes: &[blake3::Hash]) {
        let _ = self.write(Durability::Soon, |transaction| {
            for hash in hashes {
                if !has_row(transaction, hash)? {
                    self.blobs.remove(hash)?;
                }
            }
            Ok(())
        });
    }

    /// Deletes files that no row tells of and that are older than an hour: what crashes left behind. Says which.
    pub fn collect_orphans(&self) -> Result<Vec<PathBuf>> {
        self.collect_orphans_older_than(GRACE)
    }

    pub(super) fn collect_orphans_older_than(&self, grace: Duration) -> Result<Vec<PathBuf>> {
        let now = SystemTime::now();
        let old = |path: &Path| {
            let written = fs::metadata(path).and_then(|metadata| metadata.modified());
            written.is_ok_and(|written| now.duration_since(written).unwrap_or_default() >= grace)
        };
        let candidates: Vec<_> = self.blobs.files()?.into_iter().filter(|(path, _)| old(path)).collect();
        self.write(Durability::Full, |transaction| {
            let mut gone = Vec::new();
            for (path, hash) in candidates {
                let orphan = match hash {
                    Some(hash) => !has_row(transaction, &hash)?,
                    None => path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED)),
                };
                // Looked at again: it may have been touched by one who is about to use it.
                if orphan && old(&path) {
                    fs::remove_file(&path).map_err(|error| Error::file(&path, "deleted", error))?;
                    gone.push(path);
                }
            }
            Ok(gone)
        })
    }

    /// Inside a transaction: forgets the rows of those blobs that nothing points to any more, and notes their files for
    /// [`Store::finish_removals`].
    pub(super) fn release_blobs(connection: &Connection, hashes: &[Hash]) -> Result<Vec<blake3::Hash>> {
        let mut released = Vec::new();
        for hash in hashes {
            let used: bool = connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM refs WHERE picture = ?1)
                         OR EXISTS (SELECT 1 FROM refs WHERE thumbnail = ?1)
                         OR EXISTS (SELECT 1 FROM outputs WHERE picture = ?1)
                         OR EXISTS (SELECT 1 FROM outputs WHERE thumbnail = ?1)
                         OR EXISTS (SELECT 1 FROM outputs WHERE latents = ?1)",
                )?
                .query_one([hash], |row| row.get(0))?;
            if !used && connection.prepare_cached("DELETE FROM blobs WHERE hash = ?1")?.execute([hash])? > 0 {
                connection.prepare_cached("INSERT OR IGNORE INTO blob_removals (hash) VALUES (?1)")?.execute([hash])?;
                released.push(hash.0);
            }
        }
        Ok(released)
    }

    /// Deletes the files whose rows are gone, and wipes what deletions left in the database, where that is still to do.
    pub(super) fn finish_removals(&self) -> Result<()> {
        let waiting = self.with_writer(|writer| {
            Ok(writer.query_row("SELECT EXISTS (SELECT 1 FROM blob_removals)", [], |row| row.get::<_, bool>(0))?)
        })?;
        if waiting {
            self.write(Durability::Full, |transaction| {
                let hashes: Vec<Hash> = transaction
                    .prepare("SELECT hash FROM blob_removals")?
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                for hash in hashes {
                    if !has_row(transaction, &hash.0)? {
                        self.blobs.remove(&hash.0)?;
                    }
                    transaction.prepare_cached("DELETE FROM blob_removals WHERE hash = ?1")?.execute([hash])?;
                }
                Ok(())
            })?;
        }
        self.wipe_if_due()
    }
}

fn record(connection: &Connection, hash: &blake3::Hash, size: u64, media_type: &str, at: Timestamp) -> Result<Hash> {
    connection.prepare_cached("DELETE FROM blob_removals WHERE hash = ?1")?.execute([Hash(*hash)])?;
    connection
        .prepare_cached(
            "INSERT INTO blobs (hash, size, media_type, created) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute((Hash(*hash), size.cast_signed(), media_type, Time(at)))?;
    Ok(Hash(*hash))
}

fn has_row(connection: &Connection, hash: &blake3::Hash) -> Result<bool> {
    let found = connection
        .prepare_cached("SELECT 1 FROM blobs WHERE hash = ?1")?
        .query_row([Hash(*hash)], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("p")).unwrap();
        (folder, store)
    }

    #[test]
    fn bytes_come_back_and_are_their_owners_alone() {
        let (_folder, store) = store();
        let hash = store.blobs.put(b"picture").unwrap();
        assert_eq!(store.blobs.put(b"picture").unwrap(), hash);
        assert_eq!(store.blobs.read(&hash).unwrap(), b"picture");
        let path = store.blobs.path(&hash);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(store.blobs.folder())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn damage_is_seen_and_mended_by_storing_again() {
        let (_folder, store) = store();
        let hash = store.blobs.put(b"picture").unwrap();
        fs::write(store.blobs.path(&hash), b"pictur3").unwrap();
        assert!(matches!(store.blobs.read(&hash), Err(Error::BlobChanged { .. })));
        store.blobs.put(b"picture").unwrap();
        assert_eq!(store.blobs.read(&hash).unwrap(), b"picture");
        fs::remove_file(store.blobs.path(&hash)).unwrap();
        assert!(matches!(store.blobs.read(&hash), Err(Error::BlobMissing { .. })));
    }

    #[test]
    fn orphans_are_collected_once_they_are_old() {
        let (_folder, store) = store();
        let orphan = store.blobs.put(b"orphan").unwrap();
        let content = Content { bytes: b"kept".to_vec(), media_type: "image/png" };
        let kept = store.blobs.put(&content.bytes).unwrap();
        store.write(Durability::Full, |t| store.record_blob(t, &content, Timestamp::UNIX_EPOCH)).unwrap();
        let half = store.blobs.path(&orphan).with_file_name(".new-x");
        fs::write(&half, b"half").unwrap();
        let foreign = store.blobs.folder().join("note.txt");
        fs::write(&foreign, b"a person's").unwrap();
        assert_eq!(store.collect_orphans().unwrap(), Vec::<PathBuf>::new());
        let gone = store.collect_orphans_older_than(Duration::ZERO).unwrap();
        assert_eq!(gone.len(), 2, "{gone:?}");
        assert!(!half.exists() && store.blobs.read(&orphan).is_err());
        assert!(foreign.exists() && store.blobs.read(&kept).is_ok());
    }
}
