//! Errors of a project on disk. Each message states the problem and then the action to take.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::studio::rules::Refusal;
use crate::studio::subject::TaskId;

use super::layout::{shared_memory, wal};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the workbench refused the action. Nothing is broken.
    #[error("{0}")]
    Refused(#[from] Refusal),

    #[error("no project in {}: create one with `pentimento init {}`", folder.display(), folder.display())]
    NoProject { folder: PathBuf },

    #[error("{} already holds a project: open it, or choose another folder", folder.display())]
    ProjectExists { folder: PathBuf },

    #[error("{} is not a project database ({reason}): restore it from a backup", path.display())]
    NotADatabase { path: PathBuf, reason: String },

    #[error(
        "{} is damaged or truncated ({reason}). Copy the project folder, delete project.db-wal and project.db-shm, then \
         restore project.db from a backup (backups/ has one from before each migration)",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String },

    /// A leftover log whose database was replaced by another one.
    #[error(
        "{} belongs to another database: the one beside it is damaged with this log ({reason}) and intact without it. \
         Copy the project folder, then delete this file and project.db-shm",
        path.display()
    )]
    ForeignLog { path: PathBuf, reason: String },

    #[error(
        "{} was written by a newer pentimento (schema {found}; this version supports {known}): update pentimento",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },

    #[error(
        "cannot read and write {} ({reason}): check the permissions of the file and its folder",
        path.display()
    )]
    ReadOnly { path: PathBuf, reason: String },

    #[error("no space left on the disk of {}; this change was not stored: free some space and try again", path.display())]
    DiskFull { path: PathBuf },

    #[error(
        "the disk of {} failed ({reason}); this change was not stored: check the system log, and copy the project to \
         another disk",
        path.display()
    )]
    DiskFailed { path: PathBuf, reason: String },

    #[error("another program has locked {} for too long: wait for it or stop it, then try again", path.display())]
    Busy { path: PathBuf },

    #[error(
        "migration {name} of {} failed ({reason}); the database is unchanged: {}",
        path.display(), migration_advice(.backup)
    )]
    Migration { path: PathBuf, name: String, reason: String, backup: Option<PathBuf> },

    #[error("the copy {} is not usable ({reason}): copy to another file", path.display())]
    BadBackup { path: PathBuf, reason: String },

    #[error("cannot back up to {} ({reason}): choose a new folder", path.display())]
    BackupFolder { path: PathBuf, reason: String },

    /// A caller asked for a stop.
    #[error("stopped; nothing was changed")]
    Stopped,

    #[error(
        "the project in {} was moved, deleted or replaced while it was open: open it where it is now",
        folder.display()
    )]
    Moved { folder: PathBuf },

    #[error("no {what} named {name:?} in this project: check the name")]
    NotFound { what: &'static str, name: String },

    #[error("{what} is empty: enter some text")]
    Empty { what: &'static str },

    #[error("a {what} named {name:?} already exists: choose another name")]
    Taken { what: &'static str, name: String },

    #[error(
        "this worker's lease on {task} is lost (cancelled, deleted, or expired and taken by another worker): its last \
         change was discarded"
    )]
    LostLease { task: TaskId },

    #[error("{task} is not done: seeds {missing:?} have no output yet")]
    Unfinished { task: TaskId, missing: Vec<u64> },

    #[error("seed {seed} is not part of {task}: its output was not stored")]
    ForeignSeed { task: TaskId, seed: u64 },

    #[error("worker {owner} already uses {device} in this project: stop it, or choose another device")]
    DeviceTaken { device: String, owner: String },

    #[error("blob {hash} is missing: restore {} from a backup", path.display())]
    BlobMissing { hash: blake3::Hash, path: PathBuf },

    #[error("blob {hash} is damaged: restore {} from a backup", path.display())]
    BlobChanged { hash: blake3::Hash, path: PathBuf },

    #[error("cannot {action} {}: {source}", path.display())]
    File { path: PathBuf, action: &'static str, source: std::io::Error },

    #[error(
        "cannot import {}: {reason}; nothing was changed. Export it again from the original project",
        path.display()
    )]
    BadBundle { path: PathBuf, reason: String },

    #[error("{} already exists: choose another name, or overwrite it with --force", path.display())]
    FileExists { path: PathBuf },

    #[error("unexpected value in the database ({0}): run `pentimento verify`")]
    BadValue(String),

    #[error("database error ({0}): run `pentimento verify`")]
    Sql(#[from] rusqlite::Error),
}

impl Error {
    /// Turns an SQLite error into the one that names the file and the cause.
    pub(super) fn at(self, path: &Path) -> Self {
        let path = path.to_owned();
        let Self::Sql(error) = self else { return self };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            // On a full disk SQLite cannot extend its shared memory file, and reports only that.
            Some(ErrorCode::SystemIoFailure) if extended_code(&error) == ffi::SQLITE_IOERR_SHMSIZE => {
                Self::DiskFull { path }
            }
            Some(ErrorCode::SystemIoFailure) => Self::DiskFailed { path, reason: error.to_string() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path, reason: error.to_string() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason: error.to_string() },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                let (path, reason) = inaccessible(&path).unwrap_or_else(|| (path, error.to_string()));
                Self::ReadOnly { path, reason }
            }
            _ => Self::Sql(error),
        }
    }

    /// Turns an I/O error into one that names the file and the cause. `action` is a verb such as "read".
    pub(super) fn file(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::DiskFull { path },
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Self::ReadOnly { path, reason: source.to_string() },
            _ => Self::File { path, action, source },
        }
    }

    /// Adds the bundle's path to a [`Error::BadBundle`] that has none yet.
    pub(super) fn of_bundle(self, bundle: &Path) -> Self {
        match self {
            Self::BadBundle { path, reason } if path.as_os_str().is_empty() => {
                Self::BadBundle { path: bundle.to_owned(), reason }
            }
            other => other,
        }
    }

    /// The name of the rule, if a rule refused the action.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.rule()),
            _ => None,
        }
    }
}

fn extended_code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

/// The first of a database's files that this user cannot access, and why; SQLite does not say. `access` is used because
/// opening and closing a file would release this process's locks on it.
fn inaccessible(database: &Path) -> Option<(PathBuf, String)> {
    let folder = database.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let files = [database.to_owned(), wal(database), shared_memory(database), folder.to_owned()];
    let denied = |path: PathBuf| match access(&path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) | Err(Errno::NOENT) => None,
        Err(error) => Some((path, std::io::Error::from(error).to_string())),
    };
    files.into_iter().find_map(denied)
}

fn migration_advice(backup: &Option<PathBuf>) -> String {
    match backup {
        Some(path) => format!("use the older pentimento, and keep the copy {}", path.display()),
        None => "report this bug".to_owned(),
    }
}
