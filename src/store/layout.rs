//! Where the files of a project are.

use std::path::{Path, PathBuf};

/// The database of the project in `folder`.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("project.db")
}

/// SQLite's write-ahead log of a database: committed pages that are not in the database file yet.
pub(super) fn wal(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

/// SQLite's shared memory of a database: the index of the write-ahead log, and the locks on it.
pub(super) fn shared_memory(database: &Path) -> PathBuf {
    database.with_extension("db-shm")
}

/// The blobs of the project in `folder`.
pub(super) fn blobs(folder: &Path) -> PathBuf {
    folder.join("blobs")
}

/// The copies of the database from before each migration.
pub(super) fn backups(folder: &Path) -> PathBuf {
    folder.join("backups")
}
