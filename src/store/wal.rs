//! Finds leftover write-ahead logs, and tells a log of another database from damage.
//!
//! A crash leaves a log beside the database, and SQLite replays it on the next opening. If somebody replaced the
//! database in between (with a backup, say), replaying the log would corrupt it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::disk::size;
use super::layout::{shared_memory, wal};
use super::{Error, Result};

/// Whether a database has a log that no program uses, because the last program did not close the database.
pub(super) fn is_abandoned(database: &Path) -> bool {
    has_log(database) && !is_open(database)
}

/// Whether the last program did not close a database that no program uses. Its log may be empty.
pub(super) fn is_left(database: &Path) -> bool {
    wal(database).exists() && !is_open(database)
}

/// Explains why a database did not open. If it is intact without its log, the log belongs to another database.
pub(super) fn diagnose(error: Error, database: &Path) -> Error {
    match error.at(database) {
        Error::Damaged { reason, .. } if has_log(database) && is_whole_without_log(database) => {
            Error::ForeignLog { path: wal(database), reason }
        }
        error => error,
    }
}

pub(super) fn has_log(database: &Path) -> bool {
    size(&wal(database)) > 0
}

/// Whether a program has the database open. Such a program locks byte 128 of the shared memory (`DMS` in SQLite's
/// os_unix.c). Always false on systems without `/proc/locks`.
fn is_open(database: &Path) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    fs::metadata(shared_memory(database)).is_ok_and(|metadata| is_locked(&locks, metadata.ino(), ["128", "128"]))
}

/// Whether a range of bytes of a file is locked, from the text of Linux's `/proc/locks` (proc(5)).
fn is_locked(locks: &str, inode: u64, bytes: [&str; 2]) -> bool {
    let inode = format!(":{inode}");
    let is_it = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [.., file, from, to] if file.ends_with(&inode) && [*from, *to] == bytes)
    };
    locks.lines().any(is_it)
}

fn is_whole_without_log(database: &Path) -> bool {
    let check = |connection: &Connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    open_without_log(database).is_ok_and(|connection| check(&connection).is_ok_and(|found: String| found == "ok"))
}

/// Opens the database file alone: `immutable` makes SQLite ignore the log and take no locks.
pub(super) fn open_without_log(database: &Path) -> Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in database.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    Ok(Connection::open_with_flags(uri, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?)
}

#[cfg(test)]
mod tests {
    use super::super::disk::Folder;
    use super::super::layout::database;
    use super::super::{Durability, Store};
    use super::*;

    #[test]
    fn a_lock_is_found_in_the_table_of_locks() {
        let locks = "1: POSIX  ADVISORY  READ 15331 fe:00:10143828 128 128\n\
                     1: -> POSIX  ADVISORY  WRITE 9 fe:00:77 128 128\n\
                     2: FLOCK  ADVISORY  WRITE 710 00:19:1092 0 EOF\n";
        let is_locked = |inode, byte| is_locked(locks, inode, [byte, byte]);
        assert!(is_locked(10_143_828, "128") && is_locked(77, "128"));
        assert!(!is_locked(143_828, "128") && !is_locked(10_143_828, "120") && !is_locked(1092, "128"));
    }

    #[test]
    fn the_log_of_an_open_database_is_not_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path());
        let store = Store::create(folder.path()).unwrap();
        let insert = "INSERT INTO project VALUES ('a', 'b')";
        store.write(Durability::Full, |transaction| Ok(transaction.execute(insert, [])?)).unwrap();
        assert!(has_log(&path));
        // Without a table of locks, an open database looks abandoned.
        let locks = || fs::read_to_string("/proc/locks").unwrap_or_default();
        let has_table = locks().contains(" 128 128");
        assert_eq!(is_abandoned(&path), !has_table);
        // SQLite's shared lock on the database file; closing a further reader must not release it.
        let shared = || is_locked(&locks(), fs::metadata(&path).unwrap().ino(), ["1073741826", "1073742335"]);
        assert_eq!(shared(), has_table);
        drop(store.reader().unwrap());
        assert_eq!(shared(), has_table);
        // A copy of database and log, as a crash leaves them.
        let copy = database(&folder.path().join("copy"));
        Folder::create(copy.parent().unwrap()).unwrap();
        fs::copy(&path, &copy).unwrap();
        fs::copy(wal(&path), wal(&copy)).unwrap();
        assert!(is_abandoned(&copy));
        drop(Store::open(copy.parent().unwrap()).unwrap());
        assert!(!has_log(&copy));
    }
}
