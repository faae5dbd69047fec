//! Finishes deletions: blob files without a row, deleted text in the database's free space, and copies from before
//! migrations.
//!
//! The transaction that deletes rows schedules this work in the database. If a crash interrupts the work, the next
//! opening of the project finishes it.

use std::fs;

use rusqlite::{Connection, OptionalExtension};

use super::blob_rows::is_recorded;
use super::columns::Hash;
use super::disk::list;
use super::{Durability, Error, Result, Store, layout};

/// Key in `project`: the database's free space still holds deleted data.
const WIPE: &str = "wipe";

/// In a transaction: schedules [`Store::finish_removals`] to wipe deleted data from the database file.
pub(super) fn schedule_wipe(connection: &Connection) -> Result<()> {
    connection.execute("INSERT OR IGNORE INTO project (key, value) VALUES (?1, 'due')", [WIPE])?;
    Ok(())
}

impl Store {
    /// Deletes the blob files that are scheduled for it, and wipes deleted data if that is scheduled.
    pub(super) fn finish_removals(&self) -> Result<()> {
        let scheduled = self.with_writer(|writer| {
            Ok(writer.query_row("SELECT EXISTS (SELECT 1 FROM blob_removals)", [], |row| row.get::<_, bool>(0))?)
        })?;
        if scheduled {
            self.write(Durability::Full, |transaction| {
                let hashes: Vec<Hash> = transaction
                    .prepare("SELECT hash FROM blob_removals")?
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                for hash in hashes {
                    if !is_recorded(transaction, &hash.0)? {
                        self.blobs.remove(&hash.0)?;
                    }
                    transaction.prepare_cached("DELETE FROM blob_removals WHERE hash = ?1")?.execute([hash])?;
                }
                Ok(())
            })?;
        }
        self.wipe_if_scheduled()
    }

    /// Rewrites the search indexes and the database file without deleted data, and empties the log.
    fn wipe_if_scheduled(&self) -> Result<()> {
        self.with_writer(|writer| {
            let sql = "SELECT 1 FROM project WHERE key = ?1";
            if writer.query_row(sql, [WIPE], |_| Ok(())).optional()?.is_none() {
                return Ok(());
            }
            for index in ["runs_text", "reviews_text", "refs_text"] {
                writer.execute(&format!("INSERT INTO {index} ({index}) VALUES ('rebuild')"), [])?;
            }
            writer.execute_batch("VACUUM")?;
            self.delete_migration_backups()?;
            // The log still holds the old pages. Truncating it fails while another connection reads an old state.
            let busy: bool = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy {
                return Err(Error::Busy { path: self.database() });
            }
            writer.execute("DELETE FROM project WHERE key = ?1", [WIPE])?;
            Ok(())
        })
    }

    /// Deletes the copies from before migrations: they hold the deleted data too.
    fn delete_migration_backups(&self) -> Result<()> {
        for path in list(&layout::backups(&self.folder))? {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("before-")) {
                fs::remove_file(&path).map_err(|error| Error::file(&path, "delete", error))?;
            }
        }
        Ok(())
    }
}
