//! Copies of a project while it is in use.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::blobs::Blobs;
use super::columns::Hash;
use super::open::{database, make_file, make_folder, sync_folder};
use super::{Error, Result, Store};

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    pub database_bytes: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Blobs that the database names but that could not be copied whole: they are missing or changed in the project.
    pub missing: Vec<blake3::Hash>,
}

impl Store {
    /// Copies the whole project into a folder that does not exist yet or is empty; the copy opens as a project. What is
    /// written meanwhile is either in it whole or not at all.
    pub fn backup(&self, to: &Path) -> Result<Backup> {
        make_folder(to)?;
        let copy = database(to);
        self.with_reading_connection(|connection| copy_database(connection, &copy))?;
        let opened = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let hashes: Vec<Hash> = opened
            .prepare("SELECT hash FROM blobs")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let blobs = Blobs::new(to);
        let size = fs::metadata(&copy).map_err(|error| Error::file(&copy, "read", error))?.len();
        let mut backup = Backup { database_bytes: size, ..Backup::default() };
        for Hash(hash) in hashes {
            match self.blobs.read(&hash) {
                Ok(bytes) => {
                    blobs.put(&bytes)?;
                    backup.blobs += 1;
                    backup.blob_bytes += bytes.len() as u64;
                }
                Err(Error::BlobMissing { .. } | Error::BlobChanged { .. }) => backup.missing.push(hash),
                Err(error) => return Err(error),
            }
        }
        sync_folder(to)?;
        Ok(backup)
    }

    /// Copies the database alone into a file that does not exist yet.
    pub fn backup_database(&self, to: &Path) -> Result<()> {
        self.with_reading_connection(|connection| copy_database(connection, to))
    }

    /// A connection of its own, so that copying holds up nobody who writes.
    fn with_reading_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let path = self.database();
        let read = || work(&Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        read().map_err(|error| error.at(&path))
    }
}

/// Copies a database as it is at one moment, and checks the copy. The file must not exist.
pub(super) fn copy_database(connection: &Connection, to: &Path) -> Result<()> {
    // Made first, because SQLite would let others read it.
    let file = make_file(to)?;
    let copied = copy(connection, to).and_then(|()| file.sync_all().map_err(|error| Error::file(to, "written", error)));
    if copied.is_err() {
        // Half a copy helps nobody; where it cannot be deleted either, the error says enough.
        let _ = fs::remove_file(to);
    }
    copied.map_err(|error| error.at(to))?;
    sync_folder(to.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))
}

fn copy(connection: &Connection, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| Error::BadBackup {
        path: to.to_owned(),
        reason: "its name is not UTF-8; choose another".to_owned(),
    })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Error::BadBackup { path: to.to_owned(), reason: found }) }
}
