//! Everything that can go wrong with a project on disk, as sentences: what was wrong, where, what to do.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::studio::rules::Refusal;
use crate::studio::subject::TaskId;

use super::open::{log, shared_memory};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the workbench says no: nothing is broken.
    #[error("{0}")]
    Refused(#[from] Refusal),

    #[error("{} is not a project: it has no project.db; make one with `pentimento init {}`", folder.display(), folder.display())]
    NoProject { folder: PathBuf },

    #[error("{} is a project already; nothing was changed", folder.display())]
    ProjectExists { folder: PathBuf },

    #[error(
        "{} is not a project's database{}; nothing was changed; if it should be one, take it from a backup",
        path.display(), because(.reason)
    )]
    NotADatabase { path: PathBuf, reason: String },

    #[error(
        "{} is damaged or cut short: {reason}; nothing was changed; copy the folder away, delete project.db-wal and \
         project.db-shm if they are there, and take the database from a backup (the newest before a migration is in \
         backups/)",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String },

    /// A log that was left behind, beside a database that was put there later.
    #[error(
        "{} is not the log of the database beside it: with it the database is damaged ({reason}), without it it is \
         whole; nothing was changed; copy the folder away, then delete this file, and project.db-shm with it",
        path.display()
    )]
    ForeignLog { path: PathBuf, reason: String },

    #[error(
        "{} was written by a newer pentimento (its schema is {found}, this program knows {known}); nothing was changed; \
         use the newer program",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },

    #[error(
        "{} cannot be opened for reading and writing: {reason}; a project's folder and every file in it must be yours to \
         read and write",
        path.display()
    )]
    ReadOnly { path: PathBuf, reason: String },

    #[error("there is no room left on the disk of {}: nothing of this step was stored; make room and try again", path.display())]
    DiskFull { path: PathBuf },

    #[error(
        "the disk of {} failed: {reason}; nothing of this step was stored; look into the system's log, and copy the \
         project to another disk before you go on",
        path.display()
    )]
    DiskFailed { path: PathBuf, reason: String },

    #[error("another program has been holding {} for too long; look what it is doing, and try again", path.display())]
    Busy { path: PathBuf },

    #[error("the migration {name} of {} failed: {reason}; the database is as it was, and {}", path.display(), backup_note(.backup))]
    Migration { path: PathBuf, name: String, reason: String, backup: Option<PathBuf> },

    #[error("the backup {} is not whole: {reason}; nothing else was changed", path.display())]
    BadBackup { path: PathBuf, reason: String },

    #[error("there is no {what} called {name:?} in this project")]
    NotFound { what: &'static str, name: String },

    #[error("{what} is empty; write something")]
    Empty { what: &'static str },

    #[error("there is a {what} called {name:?} already; choose another name")]
    Taken { what: &'static str, name: String },

    #[error(
        "{task} is not this worker's any more (it was cancelled, deleted, or its lease ran out and another worker took \
         it); what it still had to write was dropped"
    )]
    LostLease { task: TaskId },

    #[error("{task} cannot be done yet: it has no picture for the seeds {missing:?}")]
    Unfinished { task: TaskId, missing: Vec<u64> },

    #[error("{task} was not asked for the seed {seed}; its picture was not stored")]
    ForeignSeed { task: TaskId, seed: u64 },

    #[error("the worker {owner} already serves {device} in this project; one worker for each device")]
    DeviceTaken { device: String, owner: String },

    #[error("the file of the blob {hash} is missing: {}; take it from a backup, or run `pentimento verify`", path.display())]
    BlobMissing { hash: blake3::Hash, path: PathBuf },

    #[error("the file of the blob {hash} has changed: {}; take it from a backup, or run `pentimento verify`", path.display())]
    BlobChanged { hash: blake3::Hash, path: PathBuf },

    #[error("{} cannot be {doing}: {source}", path.display())]
    File { path: PathBuf, doing: &'static str, source: std::io::Error },

    #[error("{} cannot be imported: {reason}; nothing was changed; have it exported again where it comes from", path.display())]
    BadBundle { path: PathBuf, reason: String },

    #[error("there is a file {} already, and it was left alone; choose another name, or replace it with --force", path.display())]
    FileExists { path: PathBuf },

    #[error("a value in the database cannot be understood: {0}; run `pentimento verify`")]
    BadValue(String),

    #[error("the database refused: {0}")]
    Sql(#[from] rusqlite::Error),
}

impl Error {
    /// The same error, told as what it means for the file it happened to.
    pub(super) fn at(self, path: &Path) -> Self {
        let path = path.to_owned();
        let Self::Sql(error) = self else { return self };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            // The memory that programs share is a file too; that it cannot grow is all that SQLite says of a full disk.
            Some(ErrorCode::SystemIoFailure) if extended(&error) == ffi::SQLITE_IOERR_SHMSIZE => {
                Self::DiskFull { path }
            }
            Some(ErrorCode::SystemIoFailure) => Self::DiskFailed { path, reason: error.to_string() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path, reason: String::new() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason: error.to_string() },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                let (path, reason) = unwritable(&path).unwrap_or_else(|| (path, error.to_string()));
                Self::ReadOnly { path, reason }
            }
            _ => Self::Sql(error),
        }
    }

    /// An error of the file system, told as what it means.
    pub(super) fn file(path: &Path, doing: &'static str, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::DiskFull { path },
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Self::ReadOnly { path, reason: source.to_string() },
            _ => Self::File { path, doing, source },
        }
    }

    /// The same error, told as one of this bundle.
    pub(super) fn of_bundle(self, bundle: &Path) -> Self {
        match self {
            Self::BadBundle { path, reason } if path.as_os_str().is_empty() => {
                Self::BadBundle { path: bundle.to_owned(), reason }
            }
            other => other,
        }
    }

    /// The name of the rule that refused, where one did.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.rule()),
            _ => None,
        }
    }
}

fn extended(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

/// Which of a database's files stands in the way, and why; SQLite does not say. They are not opened for that: closing
/// one would end this process's locks on it.
fn unwritable(database: &Path) -> Option<(PathBuf, String)> {
    let folder = database.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let files = [database.to_owned(), log(database), shared_memory(database), folder.to_owned()];
    let refused = |path: PathBuf| match access(&path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) | Err(Errno::NOENT) => None,
        Err(error) => Some((path, std::io::Error::from(error).to_string())),
    };
    files.into_iter().find_map(refused)
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn backup_note(backup: &Option<PathBuf>) -> String {
    match backup {
        Some(path) => format!("a copy from before it is {}", path.display()),
        None => "it had been new".to_owned(),
    }
}
