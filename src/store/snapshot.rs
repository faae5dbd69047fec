//! Verified copies of a database that is in use.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::disk::{make_file, parent, sync_folder};
use super::{Error, Result};

/// Copies a database as it is at one moment with `VACUUM INTO`, and runs an integrity check on the copy. The file `to`
/// must not exist; it is deleted again if the copy fails.
pub(super) fn copy_database(connection: &Connection, to: &Path) -> Result<()> {
    // SQLite would create the file with the process's umask; created here, its mode is 0600.
    let file = make_file(to)?;
    let copied = copy(connection, to).and_then(|()| file.sync_all().map_err(|error| Error::file(to, "write", error)));
    if copied.is_err() {
        // The error of the copy matters more than one of the deletion.
        let _ = fs::remove_file(to);
    }
    copied.map_err(|error| error.at(to))?;
    sync_folder(parent(to))
}

fn copy(connection: &Connection, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| Error::BadBackup {
        path: to.to_owned(),
        reason: "SQLite needs a file name in UTF-8".to_owned(),
    })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Error::BadBackup { path: to.to_owned(), reason: found }) }
}
