//! Verified copies of a database that is in use.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::blobs::UNFINISHED;
use super::disk::Folder;
use super::temporary::Temporary;
use super::{Error, Result};

/// Copies a database as it is at one moment with `VACUUM INTO`, and runs an integrity check on the copy. It is built under
/// a temporary name; the file `name` must not exist.
pub(super) fn copy_database(connection: &Connection, folder: &Arc<Folder>, name: &str) -> Result<()> {
    // SQLite would create the file with the process's umask; created here, its mode is 0600.
    let file = Temporary::new(folder, UNFINISHED, ".db")?;
    let path = folder.path_of(name);
    copy(connection, &file.path(), &path).map_err(|error| error.at(&path))?;
    file.place(name)?;
    folder.sync()
}

fn copy(connection: &Connection, to: &Path, path: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| Error::BadBackup {
        path: path.to_owned(),
        reason: "SQLite needs a file name in UTF-8".to_owned(),
    })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Error::BadBackup { path: path.to_owned(), reason: found }) }
}
