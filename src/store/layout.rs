//! Where the files of a project are.

use std::path::{Path, PathBuf};

/// The name of the database in a project.
pub(super) const DATABASE: &str = "project.db";
/// The name of the folder of blobs.
pub(super) const BLOBS: &str = "blobs";
/// The name of the folder of copies of the database from before each migration.
pub(super) const BACKUPS: &str = "backups";

/// The database of the project in `folder`.
pub fn database(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
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
    folder.join(BLOBS)
}
