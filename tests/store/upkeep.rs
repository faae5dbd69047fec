//! Verify and backup.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pentimento::store::verify::Problem;
use pentimento::store::{Error, Store};

use crate::project::*;

#[test]
fn verify_finds_missing_and_damaged_blobs() {
    let project = Project::new();
    let reference = project.approved("face");
    let (_, outputs) = project.done(recipe(), "1");
    project.assert_verified();
    let reader = project.reader();
    let picture = reader.reference_by_id(reference).unwrap().picture.unwrap().blob;
    let made = reader.output(outputs[0]).unwrap().picture.blob;
    fs::remove_file(project.store.blobs().path(&picture)).unwrap();
    fs::write(project.store.blobs().path(&made), "something else").unwrap();
    let mut problems = project.store.verify().unwrap().problems;
    problems.sort_by_key(|problem| problem.to_string());
    let [
        Problem::BlobChanged { hash: changed, used_by: run, .. },
        Problem::BlobMissing { hash: missing, used_by: of, .. },
    ] = problems.as_slice()
    else {
        panic!("{problems:?}")
    };
    assert_eq!((*changed, run.as_slice()), (made, ["ada-0001".to_owned()].as_slice()));
    assert_eq!((*missing, of.as_slice()), (picture, ["ada-r1".to_owned()].as_slice()));
    assert!(matches!(reader.blobs().read(&picture), Err(Error::BlobMissing { .. })));
}

#[test]
fn verify_finds_inconsistent_rows() {
    let project = Project::new();
    let run = project.queued(recipe(), "1");
    let connection = rusqlite::Connection::open(project.path.join("project.db")).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA foreign_keys = OFF; UPDATE runs SET ref_id = 77 WHERE id = {};
             INSERT INTO blobs VALUES (zeroblob(32), 1, 'image/png', 0);
             INSERT INTO runs_text (rowid, negative) VALUES (99, 'ghost');",
            run.0
        ))
        .unwrap();
    let problems = project.store.verify().unwrap().problems;
    let has = |wanted: fn(&Problem) -> bool| assert!(problems.iter().any(wanted), "{problems:?}");
    has(|problem| matches!(problem, Problem::ForeignKey { table, .. } if table == "runs"));
    has(|problem| matches!(problem, Problem::BlobUnused { .. }));
    has(|problem| matches!(problem, Problem::BlobMissing { .. }));
    has(|problem| matches!(problem, Problem::SearchIndex("runs_text")));
}

#[test]
fn verify_finds_permissions_and_orphans() {
    let project = Project::new();
    let stray = project.store.blobs().folder().join("stray");
    fs::write(&stray, "x").unwrap();
    fs::set_permissions(&project.path, fs::Permissions::from_mode(0o755)).unwrap();
    let report = project.store.verify().unwrap();
    assert_eq!(report.orphans, [stray]);
    assert_eq!(report.problems, [Problem::Permissions { path: project.path.clone(), mode: 0o755 }]);
}

#[test]
fn a_backup_opens_as_a_project() {
    let project = Project::new();
    let reference = project.approved("face");
    project.done(with_reference(reference), "1,2");
    let to = project.folder.path().join("copy");
    let backup = project.store.backup(&to, &|| false).unwrap();
    assert_eq!((backup.blobs, backup.missing.len()), (6, 0));
    let copy = Store::open(&to).unwrap();
    assert_eq!(copy.verify().unwrap().problems, []);
    assert_eq!(copy.reader().unwrap().newest_runs(9).unwrap().len(), 1);
    for file in files(&to) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
    }
    // A second backup fails and overwrites nothing.
    let before = fs::read(to.join("project.db")).unwrap();
    assert!(project.store.backup(&to, &|| false).is_err());
    assert_eq!(fs::read(to.join("project.db")).unwrap(), before);
}

#[test]
fn a_backup_reports_blobs_it_could_not_copy() {
    let project = Project::new();
    let reference = project.approved("face");
    let picture = project.reader().reference_by_id(reference).unwrap().picture.unwrap().blob;
    fs::remove_file(project.store.blobs().path(&picture)).unwrap();
    let backup = project.store.backup(&project.folder.path().join("copy"), &|| false).unwrap();
    assert_eq!((backup.blobs, backup.missing), (1, vec![picture]));
}

#[test]
fn a_backup_appears_only_when_it_is_complete() {
    let project = Project::new();
    project.approved("face");
    project.done(recipe(), "1,2,3");
    let to = project.folder.path().join("copies/copy");
    // A backup that was killed, and one that is stopped after some files.
    let dead = project.folder.path().join("copies/.pentimento-backup-x");
    fs::create_dir_all(dead.join("blobs")).unwrap();
    let asked = std::cell::Cell::new(0);
    let stop_later = || {
        asked.set(asked.get() + 1);
        assert!(!to.exists());
        asked.get() > 3
    };
    assert!(matches!(project.store.backup(&to, &stop_later), Err(Error::Stopped)));
    assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 0, "nothing is left");
    fs::create_dir(&to).unwrap();
    project.store.backup(&to, &|| false).unwrap();
    assert_eq!(Store::open(&to).unwrap().verify().unwrap().problems, []);

    let file = project.folder.path().join("file");
    fs::write(&file, "a person's").unwrap();
    for taken in [&to, &file, project.folder.path()] {
        assert!(matches!(project.store.backup(taken, &|| false), Err(Error::BackupFolder { .. })));
    }
}

#[test]
fn a_backup_starts_again_after_a_deletion() {
    let project = Project::new();
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Xylotint", "", at(0)).unwrap();
    project.store.add_consent(bo, &grant(None)).unwrap();
    project.store.add_reference(bo, &picture("bo's face"), at(1)).unwrap();
    project.approved("face");
    let forgotten = std::cell::Cell::new(false);
    let forget = || {
        if !forgotten.replace(true) {
            project.store.forget_subject(bo).unwrap();
        }
        false
    };
    let to = project.folder.path().join("copy");
    let backup = project.store.backup(&to, &forget).unwrap();
    assert_eq!((backup.blobs, backup.missing), (2, vec![]));
    let database = fs::read(to.join("project.db")).unwrap();
    assert!(!database.windows(8).any(|window| window == b"Xylotint"));
    assert_eq!(files(&to).len(), 3, "{:?}", files(&to));
}
