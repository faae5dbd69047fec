//! Opening projects with an older schema.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pentimento::store::{Store, migrations, open};
use pentimento::studio::queue::PauseReason;
use rusqlite::Connection;

use crate::project::at;

/// A project whose schema has only the first `count` migrations.
fn older(folder: &Path, count: usize) -> Connection {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    let path = folder.join("project.db");
    let connection = Connection::open(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    connection.pragma_update(None, "application_id", open::APPLICATION_ID).unwrap();
    for migration in &migrations::embedded().unwrap()[..count] {
        connection.execute_batch(migration.sql).unwrap();
        connection.pragma_update(None, "user_version", migration.number).unwrap();
    }
    connection
}

#[test]
fn the_reason_for_a_pause_becomes_an_enum() {
    let full = "there is no room left on the disk of /p: 3 MiB are free";
    for (reason, expected) in [
        (Some(full), Some((PauseReason::DiskFull, full))),
        (Some("lunch"), Some((PauseReason::User, "lunch"))),
        (Some("paused at the screen"), Some((PauseReason::User, "paused by a user"))),
        (Some("somebody paused it"), Some((PauseReason::User, "paused by a user"))),
        (None, None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let old = older(folder.path(), 1);
        if reason.is_some() {
            let paused = (at(7).as_millisecond(), reason);
            old.execute("UPDATE queue SET paused = ?1, pause_reason = ?2, next_place = 44", paused).unwrap();
        }
        drop(old);
        let store = Store::open(folder.path()).unwrap();
        let found = store.reader().unwrap().paused().unwrap();
        let found = found.map(|pause| (pause.reason, pause.to_string(), pause.since));
        assert_eq!(found, expected.map(|(reason, text)| (reason, text.to_owned(), at(7))));
        let place = "SELECT next_place FROM queue";
        let connection = Connection::open(folder.path().join("project.db")).unwrap();
        let place: i64 = connection.query_row(place, [], |row| row.get(0)).unwrap();
        assert_eq!(place, if reason.is_some() { 44 } else { 1 });
        let backups = fs::read_dir(folder.path().join("backups")).unwrap().count();
        assert_eq!(backups, migrations::newest().unwrap() as usize - 1, "one copy before each migration");
        assert_eq!(store.verify().unwrap().problems, []);
    }
}
