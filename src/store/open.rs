//! Making and opening a project.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::blobs::Blobs;
use super::{Error, Reader, Result, Store, migrations};

/// "Pmto": marks a database as a pentimento project.
pub const APPLICATION_ID: i32 = 0x506d_746f;

/// How long one program waits for another's write.
const PATIENCE: Duration = Duration::from_secs(5);

/// What each connection may keep in memory, in KiB.
const CACHE_KIB: i64 = 16 << 10;

/// A database up to this size (bytes) is checked whole each time it is opened: some tens of milliseconds.
const CHECKED_EACH_TIME: u64 = 16 << 20;

/// Where a project's database lies.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("project.db")
}

impl Store {
    /// Makes a project in a folder, which may exist but hold no project yet. The database is built under another name
    /// and appears whole.
    pub fn create(folder: &Path) -> Result<Self> {
        let path = database(folder);
        if path.exists() {
            return Err(Error::ProjectExists { folder: folder.to_owned() });
        }
        make_folder(folder)?;
        let new = tempfile::Builder::new()
            .prefix(".project-")
            .suffix(".new")
            .tempfile_in(folder)
            .map_err(|error| Error::file(folder, "written", error))?;
        let build = || -> Result<()> {
            let mut connection = Connection::open(new.path())?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "secure_delete", true)?;
            migrations::migrate(&mut connection, new.path(), &migrations::embedded()?)?;
            connection.close().map_err(|(_, error)| error)?;
            new.as_file().sync_all().map_err(|error| Error::file(new.path(), "written", error))
        };
        build().map_err(|error| error.at(&path))?;
        // Fails where another program was faster, and then leaves that one's project alone.
        new.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => Error::ProjectExists { folder: folder.to_owned() },
            _ => Error::file(&path, "written", error.error),
        })?;
        sync_folder(folder)?;
        Self::open(folder)
    }

    /// Opens a project, brings its schema up to date, and finishes deletions that a crash cut short.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = database(folder);
        inspect(folder, &path)?;
        let check = needs_check(&path);
        let open = || -> Result<Self> {
            let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            recognise(&connection, &path)?;
            if check {
                quick_check(&connection, &path)?;
            }
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "secure_delete", true)?;
            migrations::migrate(&mut connection, &path, &migrations::embedded()?)?;
            let blobs = Blobs::new(folder);
            make_folder(blobs.folder())?;
            let warnings = network(folder).into_iter().collect();
            Ok(Self { folder: folder.to_owned(), writer: Mutex::new(connection), blobs, warnings })
        };
        let store = open().map_err(|error| error.at(&path))?;
        store.finish_removals()?;
        Ok(store)
    }
}

impl Reader {
    /// Opens a project for reading only. A database of an older schema is opened for writing first: [`Store::open`].
    pub fn open(folder: &Path) -> Result<Self> {
        let path = database(folder);
        inspect(folder, &path)?;
        let open = || -> Result<Self> {
            let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let found = recognise(&connection, &path)?;
            connection.pragma_update(None, "query_only", true)?;
            if found < migrations::newest()? {
                drop(connection);
                drop(Store::open(folder)?);
                return Self::open(folder);
            }
            Ok(Self { connection, path: path.clone(), blobs: Blobs::new(folder) })
        };
        open().map_err(|error| error.at(&path))
    }
}

/// A connection with everything set that is not kept in the file.
fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// What can be said of the file before SQLite touches it: an empty file would count as a new database.
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
        return Err(Error::Damaged { path: path.to_owned(), reason: format!("it is {length} bytes long") });
    }
    file.read_exact(&mut start).map_err(|error| Error::file(path, "read", error))?;
    if &start != b"SQLite format 3\0" {
        return Err(Error::NotADatabase { path: path.to_owned(), reason: "it does not begin like one".to_owned() });
    }
    Ok(())
}

/// The schema's number, once the database is known to be ours and not from the future.
fn recognise(connection: &Connection, path: &Path) -> Result<i64> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        let reason = "it belongs to another program".to_owned();
        return Err(Error::NotADatabase { path: path.to_owned(), reason });
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrations::newest()?;
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Whether the database is worth a look through all its pages: it is small, or the last one who had it open did not
/// close it (its log is still there). `verify` looks through it always.
fn needs_check(path: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    length(path) <= CHECKED_EACH_TIME || length(&path.with_extension("db-wal")) > 0
}

fn quick_check(connection: &Connection, path: &Path) -> Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Error::Damaged { path: path.to_owned(), reason: found }) }
}

/// A folder for its owner alone; one that exists stays as it is.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| Error::file(folder, "made", error))
}

/// An empty file for its owner alone, which must not exist yet.
pub(super) fn make_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::file(path, "made", error))
}

/// Makes names in a folder survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::file(folder, "written", error))
}

/// A warning where the folder lies on a network file system, whose locks SQLite cannot trust.
fn network(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let kind = file_system(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)?;
    let shared = ["nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.rclone"];
    shared.contains(&kind.as_str()).then(|| {
        format!(
            "{} lies on a network file system ({kind}), whose locks are not reliable enough for a database that \
             several programs share; keep the project on a local disk",
            folder.display()
        )
    })
}

/// The file system's kind at a path, from Linux's table of mounts (proc(5), mountinfo).
fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (place, rest) = line.split_once(" - ")?;
        let point = PathBuf::from(place.split(' ').nth(4)?.replace("\\040", " "));
        let kind = rest.split(' ').next()?.to_owned();
        path.starts_with(&point).then(|| (point.components().count(), kind))
    };
    // The last of the deepest: a later mount covers an earlier one.
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/a rw\n30 22 0:40 / /home rw shared:1 - nfs4 host:/x rw\n\
                      31 30 0:41 / /home/a\\040b rw - tmpfs tmpfs rw\n";
        let kind = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!((kind("/tmp").as_str(), kind("/home/x").as_str()), ("ext4", "nfs4"));
        assert_eq!((kind("/home/a b/c").as_str(), kind("/homely").as_str()), ("tmpfs", "ext4"));
    }

    #[test]
    fn sqlite_is_new_enough() {
        // Before 3.51.3 a reset of the log could lose data.
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }
}
