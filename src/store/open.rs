//! Creating and opening a project.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::blobs::Blobs;
use super::disk::{Folder, size};
use super::layout::{BLOBS, DATABASE, database};
use super::leftovers::Extent;
use super::mounts::network_warning;
use super::temporary::Temporary;
use super::{Error, Reader, Result, Store, migrations, wal};

/// `application_id` of a project database: "Pmto" in ASCII.
pub const APPLICATION_ID: i32 = 0x506d_746f;

/// How long SQLite waits for another program's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Page cache of each connection, in KiB.
const CACHE_KIB: i64 = 16 << 10;

/// A database up to this size in bytes is checked in full each time it is opened, which takes tens of milliseconds.
const CHECK_UP_TO: u64 = 16 << 20;

impl Store {
    /// Creates a project in a folder, which may exist but must not hold a project. The database is built under a
    /// temporary name and then renamed, so an incomplete one is never seen.
    pub fn create(folder: &Path) -> Result<Self> {
        let path = database(folder);
        if path.exists() {
            return Err(Error::ProjectExists { folder: folder.to_owned() });
        }
        let opened = Arc::new(Folder::create(folder)?);
        let new = Temporary::new(&opened, ".project-", ".new")?;
        let build = || -> Result<()> {
            let mut connection = Connection::open(new.path())?;
            // Nobody sees this file before it is complete, so its journal need not be on the disk.
            connection.pragma_update(None, "journal_mode", "MEMORY")?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "secure_delete", true)?;
            migrations::migrate(&mut connection, &new.path(), &migrations::embedded()?)?;
            connection.close().map_err(|(_, error)| error.into())
        };
        build().map_err(|error| error.at(&path))?;
        // Another program may have created a project in the meantime; it is not overwritten.
        new.place(DATABASE).map_err(|error| match error {
            Error::FileExists { .. } => Error::ProjectExists { folder: folder.to_owned() },
            error => error,
        })?;
        opened.sync()?;
        Self::open(folder)
    }

    /// Opens a project, migrates its schema, and finishes deletions that a crash interrupted.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = database(folder);
        inspect(folder, &path)?;
        let opened = Arc::new(Folder::open(folder)?);
        let check = size(&path) <= CHECK_UP_TO || wal::is_abandoned(&path);
        let was_killed = wal::is_left(&path);
        let open = || -> Result<Self> {
            let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            check_version(&connection, &path)?;
            if check {
                quick_check(&connection, &path)?;
            }
            checkpoint_on_close(&connection, true)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "secure_delete", true)?;
            migrations::migrate(&mut connection, &path, &migrations::embedded()?)?;
            opened.make_folder(BLOBS)?;
            let warnings = network_warning(folder).into_iter().collect();
            let blobs = Blobs::new(opened.clone());
            let identity = identity(&path).map_err(|error| Error::file(&path, "read", error))?;
            Ok(Self { folder: opened.clone(), identity, writer: Mutex::new(connection), blobs, warnings })
        };
        let mut store = open().map_err(|error| wal::diagnose(error, &path))?;
        let pending = store.finish_removals()?.map(|pending| format!("a deletion is not complete: {pending}"));
        let collected = store.collect(if was_killed { Extent::Everywhere } else { Extent::Announced });
        let left = collected.err().map(|error| format!("files of an interrupted program are still there: {error}"));
        store.warnings.extend(pending.into_iter().chain(left));
        Ok(store)
    }
}

impl Reader {
    /// Opens a project for reading. A database with an older schema is first migrated by [`Store::open`].
    pub fn open(folder: &Path) -> Result<Self> {
        let path = database(folder);
        inspect(folder, &path)?;
        // An abandoned log may belong to another database.
        let check = wal::is_abandoned(&path);
        let open = || -> Result<Self> {
            let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let found = check_version(&connection, &path)?;
            if check {
                quick_check(&connection, &path)?;
            }
            if found < migrations::newest()? {
                drop(connection);
                drop(Store::open(folder)?);
                return Self::open(folder);
            }
            Self::with(connection, folder)
        };
        match open().map_err(|error| wal::diagnose(error, &path)) {
            Err(Error::ReadOnly { .. }) if !wal::has_log(&path) => Self::open_unchangeable(folder, &path),
            opened => opened,
        }
    }

    /// Opens a project that this program cannot write to, such as one on a read-only disk: SQLite could not create the
    /// shared memory of its log, and without a log it does not need any.
    fn open_unchangeable(folder: &Path, path: &Path) -> Result<Self> {
        let open = || {
            let connection = set_up(wal::open_without_log(path)?)?;
            check_version(&connection, path)?;
            Self::with(connection, folder)
        };
        open().map_err(|error| error.at(path))
    }

    /// Opens another connection to the database of a store. The file itself is not opened to inspect it: closing it
    /// would release all POSIX locks that this process has on it.
    pub(super) fn beside(store: &Store) -> Result<Self> {
        let path = store.database();
        let open = || Self::with(connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?, store.folder());
        open().map_err(|error| error.at(&path))
    }

    fn with(connection: Connection, folder: &Path) -> Result<Self> {
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self { connection, path: database(folder), blobs: Blobs::new(Arc::new(Folder::open(folder)?)) })
    }
}

/// The device and inode of a file.
pub(super) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Opens a connection and sets everything that SQLite does not keep in the file. Closing it does not checkpoint the log
/// until [`checkpoint_on_close`] allows it: the log may belong to another database.
fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    set_up(Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

fn set_up(connection: Connection) -> Result<Connection> {
    // First, because the settings below read the schema and may already fail on a foreign log.
    checkpoint_on_close(&connection, false)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn checkpoint_on_close(connection: &Connection, checkpoint: bool) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !checkpoint)?;
    Ok(())
}

/// Checks the start of the file before SQLite opens it: SQLite would take an empty file for a new database.
fn inspect(folder: &Path, path: &Path) -> Result<()> {
    let mut start = [0u8; 16];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::NoProject { folder: folder.to_owned() });
        }
        Err(error) => return Err(Error::file(path, "read", error)),
    };
    let length = file.metadata().map_err(|error| Error::file(path, "read", error))?.len();
    if length < 512 {
        return Err(Error::Damaged { path: path.to_owned(), reason: format!("it has only {length} bytes") });
    }
    file.read_exact(&mut start).map_err(|error| Error::file(path, "read", error))?;
    if &start != b"SQLite format 3\0" {
        return Err(Error::NotADatabase { path: path.to_owned(), reason: "it has no SQLite header".to_owned() });
    }
    Ok(())
}

/// Checks that the database is a project of this or an older version. Returns the version of its schema.
fn check_version(connection: &Connection, path: &Path) -> Result<i64> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        let reason = "it belongs to another program".to_owned();
        return Err(Error::NotADatabase { path: path.to_owned(), reason });
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < 1 {
        let reason = format!("its schema number is {found}");
        return Err(Error::Damaged { path: path.to_owned(), reason });
    }
    let known = migrations::newest()?;
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

fn quick_check(connection: &Connection, path: &Path) -> Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Error::Damaged { path: path.to_owned(), reason: found }) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sqlite_is_new_enough() {
        // SQLite before 3.51.3 can lose data when it resets the write-ahead log.
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }
}
