//! Keeps blob files and their rows together: a row needs its file, and a file without a row is an orphan.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::blobs::{Content, Source};
use super::columns::{Hash, Time};
use super::reservations::Term;
use super::temporary::Temporary;
use super::{Durability, Result, Store};

impl Store {
    /// Writes blob files, then runs the transaction that gives them rows. If that fails, the files are deleted again.
    ///
    /// `check` runs before a file is written, on the blobs' reservation. It finds out that a deletion has taken away what
    /// the blobs would belong to: such a deletion waits for reservations, and no file is written after it.
    pub(super) fn write_with_blobs<T>(
        &self,
        contents: &[&Content],
        check: impl FnOnce(&Connection) -> Result<()>,
        step: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let hashes: Vec<_> = contents.iter().map(|content| blake3::hash(&content.bytes)).collect();
        let reservation = self.blobs.reserve(&hashes, Term::Short)?;
        self.with_writer(|writer| check(writer))?;
        // The files are written before the transaction, so that no other writer waits for the disk.
        let put = contents.iter().try_for_each(|content| self.blobs.put(&content.bytes).map(drop));
        let done = put.and_then(|()| self.write(Durability::Full, step));
        if done.is_err() {
            self.delete_unrecorded(&hashes, reservation);
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
        let reservation = self.blobs.reserve(hashes, Term::Long)?;
        let put = self.blobs.put_all(hashes, fetch);
        let done = put.and_then(|()| self.write(Durability::Full, step));
        if done.is_err() {
            self.delete_unrecorded(hashes, reservation);
        }
        done
    }

    /// In a transaction: records a blob that [`Store::write_with_blobs`] has written. Files are deleted only under the
    /// write lock, so a file that exists now stays; one that was deleted before the lock is written again.
    pub(super) fn record_blob(&self, connection: &Connection, content: &Content, at: Timestamp) -> Result<Hash> {
        let hash = blake3::hash(&content.bytes);
        if self.blobs.size(&hash).is_none() {
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
        let size = match (self.blobs.size(hash), source) {
            (Some(size), _) => size,
            (None, None) => 0,
            (None, Some(fetch)) => {
                let bytes = fetch(hash)?;
                self.blobs.put(&bytes)?;
                bytes.len() as u64
            }
        };
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

    /// Deletes the files of a transaction that failed. If that fails too, their list stays, and they are deleted later.
    fn delete_unrecorded(&self, hashes: &[blake3::Hash], reservation: Temporary) {
        let deleted = self.write(Durability::Soon, |transaction| {
            let mut unrecorded = Vec::new();
            for hash in hashes {
                if !is_recorded(transaction, hash)? {
                    unrecorded.push(*hash);
                }
            }
            self.blobs.remove(&unrecorded)
        });
        if deleted.is_err() {
            reservation.abandon();
        }
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
