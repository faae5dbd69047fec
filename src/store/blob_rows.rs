//! Keeps blob files and their rows together: a row needs its file, and a file without a row is an orphan.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::blobs::{Content, Source, UNFINISHED};
use super::columns::{Hash, Time};
use super::{Durability, Error, Result, Store, disk};

/// A younger file without a row is not an orphan yet: its row may be about to be written.
const GRACE: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// Writes blob files, then runs the transaction that gives them rows. If that fails, the files are deleted again.
    pub(super) fn write_with_blobs<T>(
        &self,
        contents: &[&Content],
        step: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        // The files are written before the transaction, so that no other writer waits for the disk.
        let put = contents.iter().map(|content| self.blobs.put(&content.bytes)).collect::<Result<Vec<_>>>();
        let done = put.and_then(|_| self.write(Durability::Full, step));
        if done.is_err() {
            let hashes: Vec<_> = contents.iter().map(|content| blake3::hash(&content.bytes)).collect();
            self.delete_unrecorded(&hashes);
        }
        done
    }

    /// Like [`Store::write_with_blobs`] for many blobs, whose bytes are fetched one at a time.
    pub(super) fn write_with_fetched_blobs<T>(
        &self,
        hashes: &[blake3::Hash],
        fetch: &Source<'_>,
        step: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let put = self.blobs.put_all(hashes, fetch);
        let done = put.and_then(|()| self.write(Durability::Full, step));
        if done.is_err() {
            self.delete_unrecorded(hashes);
        }
        done
    }

    /// In a transaction: records a blob that [`Store::write_with_blobs`] has written. Files are deleted only under the
    /// write lock, so a file that exists now stays; one that was deleted before the lock is written again.
    pub(super) fn record_blob(&self, connection: &Connection, content: &Content, at: Timestamp) -> Result<Hash> {
        let hash = blake3::hash(&content.bytes);
        if !self.blobs.path(&hash).is_file() {
            self.blobs.put(&content.bytes)?;
        }
        record(connection, &hash, content.bytes.len() as u64, content.media_type, at)
    }

    /// In a transaction: records a blob that [`Store::write_with_fetched_blobs`] has written, or fetches it. Without a
    /// source no file is needed: the transaction is a trial and is rolled back.
    pub(super) fn record_fetched_blob(
        &self,
        connection: &Connection,
        hash: &blake3::Hash,
        media_type: &str,
        source: Option<&Source<'_>>,
        at: Timestamp,
    ) -> Result<Hash> {
        let path = self.blobs.path(hash);
        let mut size = disk::size(&path);
        if let Some(fetch) = source.filter(|_| !path.is_file()) {
            let bytes = fetch(hash)?;
            size = bytes.len() as u64;
            self.blobs.put(&bytes)?;
        }
        record(connection, hash, size, media_type, at)
    }

    /// In a transaction: deletes the rows of those blobs that nothing refers to any more, and schedules their files for
    /// deletion by [`Store::finish_removals`]. Returns the hashes of the deleted rows.
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

    /// Deletes files that have no row and are older than an hour: leftovers of crashes. Returns their paths.
    pub fn collect_orphans(&self) -> Result<Vec<PathBuf>> {
        self.collect_orphans_older_than(GRACE)
    }

    fn collect_orphans_older_than(&self, grace: Duration) -> Result<Vec<PathBuf>> {
        let now = SystemTime::now();
        let is_old = |path: &Path| {
            let written = fs::metadata(path).and_then(|metadata| metadata.modified());
            written.is_ok_and(|written| now.duration_since(written).unwrap_or_default() >= grace)
        };
        let candidates: Vec<_> = self.blobs.files()?.into_iter().filter(|(path, _)| is_old(path)).collect();
        self.write(Durability::Full, |transaction| {
            let mut deleted = Vec::new();
            for (path, hash) in candidates {
                let is_orphan = match hash {
                    Some(hash) => !is_recorded(transaction, &hash)?,
                    None => path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED)),
                };
                // Another program may have renewed its time meanwhile, to give it a row.
                if is_orphan && is_old(&path) {
                    fs::remove_file(&path).map_err(|error| Error::file(&path, "delete", error))?;
                    deleted.push(path);
                }
            }
            Ok(deleted)
        })
    }

    /// Deletes the files of a transaction that failed. Its own errors are ignored: what stays behind is an orphan.
    fn delete_unrecorded(&self, hashes: &[blake3::Hash]) {
        let _ = self.write(Durability::Soon, |transaction| {
            for hash in hashes {
                if !is_recorded(transaction, hash)? {
                    self.blobs.remove(hash)?;
                }
            }
            Ok(())
        });
    }
}

/// Whether a blob has a row.
pub(super) fn is_recorded(connection: &Connection, hash: &blake3::Hash) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM blobs WHERE hash = ?1")?;
    Ok(statement.query_row([Hash(*hash)], |_| Ok(())).optional()?.is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_orphans_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("p")).unwrap();
        let orphan = store.blobs.put(b"orphan").unwrap();
        let content = Content { bytes: b"kept".to_vec(), media_type: "image/png" };
        let kept = store.blobs.put(&content.bytes).unwrap();
        store.write(Durability::Full, |t| store.record_blob(t, &content, Timestamp::UNIX_EPOCH)).unwrap();
        let unfinished = store.blobs.path(&orphan).with_file_name(".new-x");
        fs::write(&unfinished, b"half").unwrap();
        let foreign = store.blobs.folder().join("note.txt");
        fs::write(&foreign, b"a person's").unwrap();
        assert_eq!(store.collect_orphans().unwrap(), Vec::<PathBuf>::new());
        let deleted = store.collect_orphans_older_than(Duration::ZERO).unwrap();
        assert_eq!(deleted.len(), 2, "{deleted:?}");
        assert!(!unfinished.exists() && store.blobs.read(&orphan).is_err());
        assert!(foreign.exists() && store.blobs.read(&kept).is_ok());
    }
}
