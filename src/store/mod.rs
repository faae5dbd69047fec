//! A project on disk: one folder with `project.db` (SQLite), `blobs/` and `backups/`. The only place that knows SQL.
//!
//! [`Store`] writes, through one connection behind a mutex; each [`Reader`] has a connection of its own and never waits
//! for the writer. Whatever depends on the time takes it as an argument.
//!
//! - [`open`]: making and opening a project; [`migrations`]: the schema, forward only
//! - [`blobs`]: files named by their hash
//! - [`subjects`], [`references`]: who, with what right, from which pictures
//! - [`runs`]: making runs under the rules, and reading them; [`queue`]: handing them to workers
//! - [`outputs`], [`reviews`], [`presets`]: what came of them
//! - [`bundle`]: what leaves a project and enters another
//! - [`lines`], [`search`]: what lists show, and full text; [`verify`], [`backup`], [`forget`]: upkeep

pub mod backup;
pub mod blobs;
pub mod bundle;
mod columns;
mod error;
pub mod forget;
pub mod lines;
pub mod migrations;
pub mod open;
pub mod outputs;
pub mod presets;
pub mod queue;
pub mod references;
pub mod reviews;
pub mod runs;
pub mod search;
pub mod subjects;
pub mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use error::{Error, Result};

use blobs::Blobs;

/// The one who writes. Shared between threads by reference; other processes may have theirs on the same project.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    writer: Mutex<Connection>,
    blobs: Blobs,
    warnings: Vec<String>,
}

/// A connection that only reads. Each thread takes its own.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    blobs: Blobs,
}

/// Whether a power cut may undo what was written last. A crash of the program never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// On the disk when the call returns.
    Full,
    /// On the disk some time soon: for heartbeats and previews, which are worth no wait.
    Soon,
}

impl Store {
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// What a person should know about where this project lies; empty when all is well.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Brings the log into the database's file, for a program that ends while some of its threads still read: a log that
    /// is left behind makes the next one look through all pages.
    pub fn settle(&self) -> Result<()> {
        self.with_writer(|writer| Ok(writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?))
    }

    pub fn reader(&self) -> Result<Reader> {
        Reader::beside(self)
    }

    fn database(&self) -> PathBuf {
        open::database(&self.folder)
    }

    /// Runs one step as a whole: in a transaction that has the database's write lock from its beginning.
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

    /// The writer's connection outside a transaction.
    fn with_writer<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        // A panic in another thread rolled its transaction back; the connection itself is as good as before.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut writer).map_err(|error| error.at(&self.database()))
    }
}

impl Reader {
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A number that is another one whenever any other connection has written since.
    pub fn version(&self) -> Result<i64> {
        self.read(|connection| Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?))
    }

    /// Runs a query, and tells its errors as what they mean for the file.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        query(&self.connection).map_err(|error| error.at(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_safeguard_is_on_and_stays_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let pragmas = |connection: &Connection| {
            ["foreign_keys", "synchronous", "secure_delete", "trusted_schema", "cell_size_check", "busy_timeout"]
                .map(|name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap())
        };
        // A step that is written without waiting for the disk, and one that fails, leave the next ones as careful as ever.
        store.write(Durability::Soon, |_| Ok(())).unwrap();
        store.write(Durability::Soon, |_| Err::<(), _>(Error::BadValue(String::new()))).unwrap_err();
        let found = store.with_writer(|writer| Ok(pragmas(writer))).unwrap();
        assert_eq!(found, [1, 2, 1, 0, 1, 5000]);
        let reader = store.reader().unwrap();
        assert_eq!(pragmas(&reader.connection)[3..], [0, 1, 5000]);
        assert!(reader.connection.execute("DELETE FROM subjects", []).is_err());
        // Defensive mode: nobody writes to the search indexes' own tables.
        let direct = store.with_writer(|writer| Ok(writer.execute("DELETE FROM runs_text_data", [])?));
        assert!(direct.is_err());
    }
}
