//! Making and opening a project.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
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

/// What was written and is not in the database's file yet.
pub(super) fn log(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

/// Where the programs that have a database open agree on its log.
pub(super) fn shared_memory(database: &Path) -> PathBuf {
    database.with_extension("db-shm")
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
        let check = is_small(&path) || is_abandoned(&path);
        let open = || -> Result<Self> {
            let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            recognise(&connection, &path)?;
            if check {
                quick_check(&connection, &path)?;
            }
            write_log_on_close(&connection, true)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "secure_delete", true)?;
            migrations::migrate(&mut connection, &path, &migrations::embedded()?)?;
            let blobs = Blobs::new(folder);
            make_folder(blobs.folder())?;
            let warnings = network(folder).into_iter().collect();
            Ok(Self { folder: folder.to_owned(), writer: Mutex::new(connection), blobs, warnings })
        };
        let store = open().map_err(|error| unopened(error, &path))?;
        store.finish_removals()?;
        Ok(store)
    }
}

impl Reader {
    /// Opens a project for reading only. A database of an older schema is opened for writing first: [`Store::open`].
    pub fn open(folder: &Path) -> Result<Self> {
        let path = database(folder);
        inspect(folder, &path)?;
        // The log may be another database's.
        let check = is_abandoned(&path);
        let open = || -> Result<Self> {
            let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let found = recognise(&connection, &path)?;
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
        open().map_err(|error| unopened(error, &path))
    }

    /// A further connection to what a store has opened. The file is not looked at again: closing it would end the locks
    /// that this process has on it.
    pub(super) fn beside(store: &Store) -> Result<Self> {
        let path = store.database();
        let open = || Self::with(connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?, store.folder());
        open().map_err(|error| error.at(&path))
    }

    fn with(connection: Connection, folder: &Path) -> Result<Self> {
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self { connection, path: database(folder), blobs: Blobs::new(folder) })
    }
}

/// A connection with everything set that is not kept in the file. Its log is not written into the database when it is
/// closed, until it is known to be the database's own: [`write_log_on_close`].
fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Before anything else: the settings below read the schema, which may be what the log spoils.
    write_log_on_close(&connection, false)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn write_log_on_close(connection: &Connection, may: bool) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !may)?;
    Ok(())
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

/// Whether a look through all pages costs next to nothing. `verify` looks through them always.
fn is_small(path: &Path) -> bool {
    length(path) <= CHECKED_EACH_TIME
}

/// Whether the last one who had the database open did not close it: there is a log, and nobody is at it.
fn is_abandoned(path: &Path) -> bool {
    has_log(path) && !is_open(path)
}

fn has_log(path: &Path) -> bool {
    length(&log(path)) > 0
}

/// Whether a program is seen to have the database open: it holds a byte of the shared memory for that (`DMS` in SQLite's
/// os_unix.c). Where the system does not tell of locks, nobody is seen.
fn is_open(path: &Path) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    fs::metadata(shared_memory(path)).is_ok_and(|metadata| holds(&locks, metadata.ino(), ["128", "128"]))
}

/// Whether somebody holds these bytes of a file, from Linux's table of locks (proc(5), locks).
fn holds(locks: &str, inode: u64, bytes: [&str; 2]) -> bool {
    let inode = format!(":{inode}");
    let is_it = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [.., file, from, to] if file.ends_with(&inode) && [*from, *to] == bytes)
    };
    locks.lines().any(is_it)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn quick_check(connection: &Connection, path: &Path) -> Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Error::Damaged { path: path.to_owned(), reason: found }) }
}

/// Why a database could not be opened. Damage that is there with the log only comes from the log, be it seen by the check
/// or before it, in the schema.
fn unopened(error: Error, path: &Path) -> Error {
    match error.at(path) {
        Error::Damaged { reason, .. } if has_log(path) && is_whole_without_log(path) => {
            Error::ForeignLog { path: log(path), reason }
        }
        error => error,
    }
}

fn is_whole_without_log(path: &Path) -> bool {
    let check = |connection: &Connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    without_log(path).is_ok_and(|connection| check(&connection).is_ok_and(|found: String| found == "ok"))
}

/// The database's file alone, as if nobody wrote to it.
fn without_log(path: &Path) -> Result<Connection> {
    let mut name = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => name.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(*byte)),
            byte => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name.push_str("?immutable=1");
    Ok(Connection::open_with_flags(name, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?)
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
    fn a_lock_is_found_in_the_table_of_locks() {
        let locks = "1: POSIX  ADVISORY  READ 15331 fe:00:10143828 128 128\n\
                     1: -> POSIX  ADVISORY  WRITE 9 fe:00:77 128 128\n\
                     2: FLOCK  ADVISORY  WRITE 710 00:19:1092 0 EOF\n";
        let holds = |inode, byte| holds(locks, inode, [byte, byte]);
        assert!(holds(10_143_828, "128") && holds(77, "128"));
        assert!(!holds(143_828, "128") && !holds(10_143_828, "120") && !holds(1092, "128"));
    }

    #[test]
    fn an_open_database_is_seen_to_be_open_and_its_log_is_not_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path());
        let store = Store::create(folder.path()).unwrap();
        store.with_writer(|writer| Ok(writer.execute("INSERT INTO project VALUES ('a', 'b')", [])?)).unwrap();
        assert!(has_log(&path));
        // Where the system does not tell of locks, an open database looks like an abandoned one.
        let locks = || fs::read_to_string("/proc/locks").unwrap_or_default();
        let told = locks().contains(" 128 128");
        assert_eq!(is_abandoned(&path), !told);
        // SQLite's shared lock on the database itself; a further reader must not end it.
        let shared = || holds(&locks(), fs::metadata(&path).unwrap().ino(), ["1073741826", "1073742335"]);
        assert_eq!(shared(), told);
        drop(store.reader().unwrap());
        assert_eq!(shared(), told);
        // A copy of both, as a crash leaves them.
        let copy = database(&folder.path().join("copy"));
        make_folder(copy.parent().unwrap()).unwrap();
        fs::copy(&path, &copy).unwrap();
        fs::copy(log(&path), log(&copy)).unwrap();
        assert!(is_abandoned(&copy));
        drop(Store::open(copy.parent().unwrap()).unwrap());
        assert!(!has_log(&copy));
    }

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
