//! Finishes deletions: blob files without a row, deleted text in the database's free space, and copies from before
//! migrations.
//!
//! The transaction that deletes rows schedules this work in the database. If a crash interrupts the work, the next
//! opening of the project finishes it.

use std::fmt;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::blob_rows::is_recorded;
use super::columns::Hash;
use super::leftovers::Extent;
use super::{Durability, Error, Result, Store, layout};

/// Key in `project`: what is left to do of a wipe.
const WIPE: &str = "wipe";
/// Value: the search indexes and the database's free space still hold deleted data.
const DUE: &str = "due";
/// Value: only the write-ahead log and, below it, the old database pages still hold deleted data.
const LOG: &str = "log";
/// Key in `project`: how many deletions there were. A copy of the project notices that it has been overtaken.
const DELETIONS: &str = "deletions";

/// How long a deletion waits for outputs and references that are being written.
const WRITERS_WAIT: Duration = Duration::from_secs(10);

/// Why a deletion is not complete yet. The next opening of the project tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Another program reads an old state of the database, so its pages cannot be overwritten.
    InUse,
    /// Another program has been writing an image for too long.
    Writer,
    /// The database cannot be rewritten.
    DiskFull,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "another program still reads the project as it was before. Close it, then open the project",
            Self::Writer => "another program is still writing a picture. Wait for it, then open the project",
            Self::DiskFull => "the disk has no space to rewrite the database. Free some space, then open the project",
        })
    }
}

/// In a transaction: schedules [`Store::finish_removals`] to wipe deleted data from the database file.
pub(super) fn schedule_wipe(connection: &Connection) -> Result<()> {
    let set = "INSERT INTO project (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    connection.execute(set, [WIPE, DUE])?;
    let count = "INSERT INTO project (key, value) VALUES (?1, '1')
                 ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1";
    connection.execute(count, [DELETIONS])?;
    Ok(())
}

/// How many deletions a project has seen.
pub(super) fn deletions(connection: &Connection) -> Result<u64> {
    let sql = "SELECT CAST(value AS INTEGER) FROM project WHERE key = ?1";
    let count: Option<i64> = connection.query_row(sql, [DELETIONS], |row| row.get(0)).optional()?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

impl Store {
    /// After a deletion: deletes its files and every leftover, and wipes deleted data. Returns what has to wait.
    pub(super) fn finish_deletion(&self) -> Result<Option<Pending>> {
        self.remove_scheduled_blobs()?;
        // A worker may be writing an output of what was deleted. It notices that, and deletes the file again.
        let writers_are_done = self.blobs.wait_for_reservations(WRITERS_WAIT)?;
        self.collect(Extent::Everywhere)?;
        let pending = self.wipe_if_scheduled()?;
        Ok(pending.or((!writers_are_done).then_some(Pending::Writer)))
    }

    /// Deletes the blob files that are scheduled for it, and wipes deleted data if that is scheduled.
    pub(super) fn finish_removals(&self) -> Result<Option<Pending>> {
        self.remove_scheduled_blobs()?;
        self.wipe_if_scheduled()
    }

    fn remove_scheduled_blobs(&self) -> Result<()> {
        let scheduled = self.with_writer(|writer| {
            Ok(writer.query_row("SELECT EXISTS (SELECT 1 FROM blob_removals)", [], |row| row.get::<_, bool>(0))?)
        })?;
        if !scheduled {
            return Ok(());
        }
        self.write(Durability::Full, |transaction| {
            let hashes: Vec<Hash> = transaction
                .prepare("SELECT hash FROM blob_removals")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut unrecorded = Vec::new();
            for Hash(hash) in hashes {
                if !is_recorded(transaction, &hash)? {
                    unrecorded.push(hash);
                }
            }
            // The files are gone for good before the record of that is committed.
            self.blobs.remove(&unrecorded)?;
            transaction.execute("DELETE FROM blob_removals", [])?;
            Ok(())
        })
    }

    /// Rewrites the search indexes and the database file without deleted data, and empties the log.
    fn wipe_if_scheduled(&self) -> Result<Option<Pending>> {
        let wiped = self.with_writer(|writer| {
            let sql = "SELECT value FROM project WHERE key = ?1";
            let Some(left) = writer.query_row(sql, [WIPE], |row| row.get::<_, String>(0)).optional()? else {
                return Ok(());
            };
            if left == DUE {
                for index in ["runs_text", "reviews_text", "refs_text"] {
                    writer.execute(&format!("INSERT INTO {index} ({index}) VALUES ('rebuild')"), [])?;
                }
                writer.execute_batch("VACUUM")?;
                self.delete_migration_backups()?;
                writer.execute("UPDATE project SET value = ?2 WHERE key = ?1", [WIPE, LOG])?;
            }
            // The log still holds the old pages. Truncating it fails while another connection reads an old state.
            let busy: bool = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy {
                return Err(Error::Busy { path: self.database() });
            }
            writer.execute("DELETE FROM project WHERE key = ?1", [WIPE])?;
            Ok(())
        });
        match wiped {
            Ok(()) => Ok(None),
            Err(Error::Busy { .. }) => Ok(Some(Pending::InUse)),
            Err(Error::DiskFull { .. }) => Ok(Some(Pending::DiskFull)),
            Err(error) => Err(error),
        }
    }

    /// Deletes the copies from before migrations: they hold the deleted data too.
    fn delete_migration_backups(&self) -> Result<()> {
        let Some(backups) = self.folder.folder(layout::BACKUPS)? else { return Ok(()) };
        for name in backups.names()? {
            if name.to_string_lossy().starts_with("before-") {
                backups.remove(&name)?;
            }
        }
        backups.sync()
    }
}
