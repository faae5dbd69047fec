//! A project on disk: a folder with `project.db` (SQLite), `blobs/` and `backups/`. The only module that knows SQL.
//!
//! [`Store`] writes, through one connection behind a mutex. Each [`Reader`] has its own connection and never waits for
//! the writer. Functions that need the current time take it as an argument.
//!
//! - [`layout`]: paths of the files; [`disk`]: the calls that change files; `temporary`: files that are being built;
//!   `mounts`: network file systems; `snapshot`: verified copies of the database
//! - [`open`]: creating and opening a project; [`migrations`]: the schema, forward only; `wal`: leftover logs
//! - [`blobs`]: files named by their hash; `blob_rows`: their rows; `reservations`: blobs that are about to get rows
//! - [`leftovers`]: deleting what interrupted programs left; [`removal`]: finishing deletions; [`proof`]: searching for
//!   what was deleted; `needles`: many patterns at once
//! - [`subjects`], [`references`]: subjects, consents, reference images
//! - [`runs`]: creating and reading runs; [`queue`]: giving them to workers
//! - [`outputs`], [`reviews`], [`presets`]: results, and what people say about them
//! - [`bundle`]: export and import
//! - [`lines`], [`search`]: rows for lists, full-text search
//! - [`verify`], [`backup`], [`forget`]: maintenance and deletion

pub mod backup;
mod blob_rows;
pub mod blobs;
pub mod bundle;
mod columns;
pub mod disk;
mod error;
pub mod forget;
pub mod layout;
pub mod leftovers;
pub mod lines;
pub mod migrations;
mod mounts;
mod needles;
pub mod open;
pub mod outputs;
pub mod presets;
pub mod proof;
pub mod queue;
pub mod references;
pub mod removal;
mod reservations;
pub mod reviews;
pub mod runs;
pub mod search;
mod snapshot;
pub mod subjects;
mod temporary;
pub mod verify;
mod wal;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use error::{Error, Result};

use blobs::Blobs;
use disk::Folder;

/// Writes to a project. Threads share it by reference; other processes may have the same project open.
#[derive(Debug)]
pub struct Store {
    folder: Arc<Folder>,
    /// The device and inode of the database.
    identity: (u64, u64),
    writer: Mutex<Connection>,
    blobs: Blobs,
    warnings: Vec<String>,
}

/// A read-only connection to a project. Each thread needs its own.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    blobs: Blobs,
}

/// Whether a power cut may undo a transaction. A crash of the program never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// The transaction is on the disk when the call returns.
    Full,
    /// The transaction reaches the disk later: for heartbeats and previews.
    Soon,
}

impl Store {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Warnings for the user about where the project is stored.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Moves the write-ahead log into the database file. Needed before the program exits while a thread still reads: a
    /// log that is left behind makes the next start check every page.
    pub fn checkpoint(&self) -> Result<()> {
        self.with_writer(|writer| Ok(writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?))
    }

    pub fn reader(&self) -> Result<Reader> {
        Reader::beside(self)
    }

    fn database(&self) -> PathBuf {
        layout::database(self.folder())
    }

    /// Checks that the project is still where it was opened. The open database follows a folder that is moved, but other
    /// programs would not see what is written, and SQLite's log may be taken for that of another database.
    fn check_place(&self) -> Result<()> {
        match open::identity(&self.database()) {
            Ok(found) if found == self.identity => Ok(()),
            _ => Err(Error::Moved { folder: self.folder().to_owned() }),
        }
    }

    /// Runs a step in a transaction that takes the database's write lock at once.
    fn write<T>(&self, durability: Durability, step: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.with_writer(|writer| {
            if durability == Durability::Soon {
                writer.pragma_update(None, "synchronous", "NORMAL")?;
            }
            let done = (|| {
                let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let value = step(&transaction)?;
                transaction.commit()?;
                Ok(value)
            })();
            if durability == Durability::Soon {
                writer.pragma_update(None, "synchronous", "FULL")?;
            }
            done
        })
    }

    /// Runs `work` on the writer's connection, outside a transaction.
    fn with_writer<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        // A poisoned lock is safe to use: the panic rolled its transaction back.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_place()?;
        work(&mut writer).map_err(|error| error.at(&self.database()))
    }
}

impl Reader {
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A number that changes whenever another connection has written.
    pub fn version(&self) -> Result<i64> {
        self.read(|connection| Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?))
    }

    /// How many deletions the project has seen. A copy of it that takes long checks that there was none meanwhile.
    pub fn deletions(&self) -> Result<u64> {
        self.read(removal::deletions)
    }

    /// Runs a query, and gives its errors the path of the database.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        query(&self.connection).map_err(|error| error.at(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safety_pragmas_are_on_and_stay_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let pragmas = |connection: &Connection| {
            ["foreign_keys", "synchronous", "secure_delete", "trusted_schema", "cell_size_check", "busy_timeout"]
                .map(|name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap())
        };
        // Neither a transaction with less durability nor a failed one changes the settings of the next.
        store.write(Durability::Soon, |_| Ok(())).unwrap();
        store.write(Durability::Soon, |_| Err::<(), _>(Error::BadValue(String::new()))).unwrap_err();
        let found = store.with_writer(|writer| Ok(pragmas(writer))).unwrap();
        assert_eq!(found, [1, 2, 1, 0, 1, 5000]);
        let reader = store.reader().unwrap();
        assert_eq!(pragmas(&reader.connection)[3..], [0, 1, 5000]);
        assert!(reader.connection.execute("DELETE FROM subjects", []).is_err());
        // Defensive mode forbids writes to the search indexes' shadow tables.
        let direct = store.with_writer(|writer| Ok(writer.execute("DELETE FROM runs_text_data", [])?));
        assert!(direct.is_err());
    }
}
