//! Backs up a project while it is in use.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::blob_rows::is_recorded;
use super::blobs::Blobs;
use super::columns::Hash;
use super::disk::{Folder, parent, size};
use super::layout::{BLOBS, DATABASE, database};
use super::open::BUSY_TIMEOUT;
use super::removal::deletions;
use super::snapshot::copy_database;
use super::temporary::{TemporaryFolder, remove_dead};
use super::{Error, Result, Store};

/// Prefix of an incomplete backup.
const PREFIX: &str = ".pentimento-backup-";
/// How often a backup starts again because the project deleted something meanwhile.
const TRIES: u32 = 20;

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
    ///
    /// It is built under a temporary name beside `to`, so an incomplete one is never seen. If something is deleted from
    /// the project meanwhile, it starts again, so that the copy does not hold that. `is_stopped` is asked between two
    /// files; the copy is then deleted.
    pub fn backup(&self, to: &Path, is_stopped: &dyn Fn() -> bool) -> Result<Backup> {
        let to = checked_target(to)?;
        let beside = Folder::open(parent(&to))?;
        remove_dead(&beside, |name| name.starts_with(PREFIX))?;
        for _ in 0..TRIES {
            let copy = TemporaryFolder::beside(&to, PREFIX)?;
            let Some(backup) = self.copy_into(copy.folder(), is_stopped)? else { continue };
            copy.place(to.file_name().unwrap_or_default())?;
            return Ok(backup);
        }
        Err(Error::Busy { path: self.database() })
    }

    /// Copies the project into an empty folder. Returns nothing if a deletion has overtaken the copy.
    fn copy_into(&self, folder: &Arc<Folder>, is_stopped: &dyn Fn() -> bool) -> Result<Option<Backup>> {
        self.with_read_connection(|connection| copy_database(connection, folder, DATABASE))?;
        let copy = database(folder.path());
        let opened = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let before = deletions(&opened)?;
        let hashes: Vec<Hash> = opened
            .prepare("SELECT hash FROM blobs")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        drop(opened);
        let mut backup = Backup { database_bytes: size(&copy), ..Backup::default() };
        let blobs = Blobs::new(folder.clone());
        folder.make_folder(BLOBS)?;
        for Hash(hash) in hashes {
            if is_stopped() {
                return Err(Error::Stopped);
            }
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
        folder.sync()?;
        let is_overtaken = self.with_read_connection(|connection| {
            let mut overtaken = deletions(connection)? != before;
            for hash in &backup.missing {
                overtaken |= !is_recorded(connection, hash)?;
            }
            Ok(overtaken)
        })?;
        Ok((!is_overtaken).then_some(backup))
    }

    /// Copies the database, without blobs, into a file that does not exist.
    pub fn backup_database(&self, to: &Path) -> Result<()> {
        let folder = Arc::new(Folder::open(parent(to))?);
        let name = to.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.with_read_connection(|connection| copy_database(connection, &folder, name))
    }

    /// Runs `work` on a separate connection, so that a long copy does not block writers.
    fn with_read_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let path = self.database();
        let read = || {
            let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            work(&connection)
        };
        read().map_err(|error| error.at(&path))
    }
}

/// The absolute path of a backup's folder. The folder must be empty or not exist; its parents are created.
fn checked_target(to: &Path) -> Result<PathBuf> {
    let refused = |reason: &str| Error::BackupFolder { path: to.to_owned(), reason: reason.to_owned() };
    let to = std::path::absolute(to).map_err(|error| Error::file(to, "read", error))?;
    let found = match fs::canonicalize(&to) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Folder::create(parent(&to))?;
            return Ok(to);
        }
        Err(error) => return Err(Error::file(&to, "read", error)),
    };
    let metadata = |path: &Path| fs::metadata(path).map_err(|error| Error::file(path, "read", error));
    if !metadata(&found)?.is_dir() {
        return Err(refused("it is a file"));
    }
    if !Folder::open(&found)?.names()?.is_empty() {
        return Err(refused("it is not empty"));
    }
    if metadata(&found)?.dev() != metadata(parent(&found))?.dev() {
        return Err(refused("it is a whole disk"));
    }
    Ok(found)
}
