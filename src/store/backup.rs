//! Backs up a project while it is in use.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::blobs::Blobs;
use super::columns::Hash;
use super::disk::{make_folder, size, sync_folder};
use super::layout::database;
use super::snapshot::copy_database;
use super::{Error, Result, Store};

/// The result of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    pub database_bytes: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Blobs that could not be copied, because their files are missing or damaged in the project.
    pub missing: Vec<blake3::Hash>,
}

impl Store {
    /// Copies the project into a folder that is empty or does not exist. The copy opens as a project. It holds the
    /// database as of one moment, and every blob of that moment.
    pub fn backup(&self, to: &Path) -> Result<Backup> {
        make_folder(to)?;
        let copy = database(to);
        self.with_read_connection(|connection| copy_database(connection, &copy))?;
        let opened = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let hashes: Vec<Hash> = opened
            .prepare("SELECT hash FROM blobs")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let blobs = Blobs::new(to);
        let mut backup = Backup { database_bytes: size(&copy), ..Backup::default() };
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

    /// Copies the database, without blobs, into a file that does not exist.
    pub fn backup_database(&self, to: &Path) -> Result<()> {
        self.with_read_connection(|connection| copy_database(connection, to))
    }

    /// Runs `work` on a separate connection, so that a long copy does not block writers.
    fn with_read_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let path = self.database();
        let read = || work(&Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        read().map_err(|error| error.at(&path))
    }
}
