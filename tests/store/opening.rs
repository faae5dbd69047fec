//! Creating and opening projects, and refusing everything else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pentimento::store::{Error, Reader, Store, migrations, open};
use rusqlite::Connection;

use crate::project::{Project, at, files};

#[test]
fn a_project_is_created_once_and_is_private() {
    let project = Project::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&project.path), 0o700);
    project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    for file in files(&project.path) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(matches!(Store::create(&project.path), Err(Error::ProjectExists { .. })));
    assert_eq!(Store::open(&project.path).unwrap().reader().unwrap().subjects().unwrap().len(), 2);
    assert_eq!(project.store.warnings(), [] as [String; 0]);
}

#[test]
fn the_database_has_the_expected_settings() {
    let project = Project::new();
    let connection = Connection::open(project.path.join("project.db")).unwrap();
    let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(number("application_id"), i64::from(open::APPLICATION_ID));
    assert_eq!(number("user_version"), migrations::newest().unwrap());
    let strict: i64 = connection
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND schema = 'main'
                 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_text%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(strict, 0, "every table is STRICT");
}

#[test]
fn opening_a_folder_without_a_project_fails() {
    let folder = tempfile::tempdir().unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::NoProject { .. }));
    assert!(error.to_string().contains("pentimento init"), "{error}");
    assert!(files(folder.path()).is_empty());
    assert!(matches!(Reader::open(folder.path()), Err(Error::NoProject { .. })));
}

/// Changes the bytes of a closed database. Asserts that opening it fails and changes nothing.
#[track_caller]
fn spoiled(change: impl FnOnce(&Path, &mut Vec<u8>)) -> Error {
    let Project { path, store, folder: _folder, .. } = Project::new();
    drop(store);
    let database = path.join("project.db");
    let mut bytes = fs::read(&database).unwrap();
    change(&database, &mut bytes);
    fs::write(&database, &bytes).unwrap();
    let error = Store::open(&path).unwrap_err();
    // A reader does not check every page, so it may succeed; it must not write either.
    let _ = Reader::open(&path);
    assert_eq!(fs::read(&database).unwrap(), bytes, "nothing may be overwritten");
    assert!(error.to_string().contains("project.db"), "{error}");
    error
}

#[test]
fn a_truncated_database_is_refused() {
    for length in [0, 100, 4096, 3 * 4096 + 17] {
        let error = spoiled(|_, bytes| bytes.truncate(length));
        assert!(matches!(error, Error::Damaged { .. }), "{length}: {error:?}");
    }
}

#[test]
fn a_damaged_page_is_found_when_opening() {
    let error = spoiled(|_, bytes| bytes[5 * 4096..6 * 4096].fill(0x5a));
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    let error = spoiled(|_, bytes| *bytes = b"dear diary, ".repeat(100));
    assert!(matches!(error, Error::NotADatabase { .. }), "{error:?}");
}

#[test]
fn another_programs_database_is_refused() {
    let error = spoiled(|database, bytes| {
        Connection::open(database).unwrap().pragma_update(None, "application_id", 7).unwrap();
        *bytes = fs::read(database).unwrap();
    });
    assert!(matches!(error, Error::NotADatabase { .. }) && error.to_string().contains("another program"), "{error:?}");
}

#[test]
fn a_newer_database_is_refused() {
    let error = spoiled(|database, bytes| {
        Connection::open(database).unwrap().pragma_update(None, "user_version", 999).unwrap();
        *bytes = fs::read(database).unwrap();
    });
    assert!(matches!(error, Error::Newer { found: 999, .. }), "{error:?}");
}

#[test]
fn an_error_names_a_folder_that_cannot_be_written() {
    // Not even root can create files here.
    let error = Store::create(Path::new("/proc/pentimento")).unwrap_err();
    assert!(error.to_string().contains("/proc/pentimento"), "{error}");
}

#[test]
fn a_new_project_has_only_its_database() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::create(folder.path()).unwrap());
    let names: Vec<_> = files(folder.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["project.db"]);
}
