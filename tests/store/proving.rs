//! After a deletion, every file of the project is searched for what was deleted.

use std::fs;

use pentimento::store::removal::Pending;
use pentimento::studio::prompt::Block;
use rusqlite::Connection;

use crate::project::*;

#[test]
fn a_deletion_reports_what_it_searched() {
    let project = Project::new();
    let reference = project.approved("face");
    project.done(with_reference(reference), "1,2");
    fs::write(project.path.join("note.txt"), "buy milk").unwrap();
    let report = project.store.forget_subject(project.ada).unwrap();
    // The database, its log, and the note.
    let (files, bytes) = files(&project.path)
        .iter()
        .filter(|path| !path.ends_with("project.db-shm"))
        .fold((0, 0), |sum, path| (sum.0 + 1, sum.1 + fs::metadata(path).unwrap().len()));
    assert_eq!((report.proof.files, report.proof.bytes), (files, bytes));
    // Six blobs; a subject, a consent, a reference, a run and two outputs; the name, the reference's and the run's.
    assert_eq!((report.pending, report.proof.searched_for), (None, 6 + 6 + 3));
    assert_eq!((report.proof.remains.len(), report.proof.in_use.len(), report.proof.mentions), (0, 0, 0));
}

#[test]
fn anything_that_remains_is_named() {
    let project = Project::new();
    let reference = project.approved("face");
    let picture = project.reader().reference_by_id(reference).unwrap().picture.unwrap().blob;
    let uuid = project.reader().reference_by_id(reference).unwrap().uuid;
    // In files of any name and folder: a name, a hash as text, an identifier as bytes.
    fs::create_dir(project.path.join("mine")).unwrap();
    fs::create_dir_all(project.path.join("backups")).unwrap();
    fs::write(project.path.join("mine/letter"), "dear ADA LOVELACE").unwrap();
    fs::write(project.path.join("backups/list"), format!("see {picture}")).unwrap();
    fs::write(project.path.join("blobs/.stray"), [b"x".as_slice(), uuid.as_bytes()].concat()).unwrap();
    fs::write(project.path.join("mine").join(picture.to_hex().as_str()), "").unwrap();
    let mut remains = project.store.forget_subject(project.ada).unwrap().proof.remains;
    remains.sort();
    let expected = ["backups/list", "blobs/.stray", &format!("mine/{picture}"), "mine/letter"];
    assert_eq!(remains, expected.map(|name| project.path.join(name)));
}

#[test]
fn a_name_that_other_data_contains_proves_nothing() {
    let project = Project::new();
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "cousin of Ada Lovelace", at(0)).unwrap();
    let proof = project.store.forget_subject(project.ada).unwrap().proof;
    assert_eq!((proof.remains.len(), proof.in_use), (0, vec!["Ada Lovelace".to_owned()]));
    assert_eq!(project.reader().subject_by_id(bo).unwrap().note, "cousin of Ada Lovelace");
}

#[test]
fn bytes_that_a_reader_keeps_alive_are_found() {
    let project = Project::new();
    let mut secret = recipe();
    secret.prompt.set(Block::Lighting, "xylotint");
    project.queued(secret, "1");
    let reader = Connection::open(project.path.join("project.db")).unwrap();
    project.store.checkpoint().unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM subjects;").unwrap();
    let report = project.store.forget_subject(project.ada).unwrap();
    assert_eq!(report.pending, Some(Pending::InUse));
    assert!(report.proof.remains.contains(&project.path.join("project.db")), "{:?}", report.proof);
}
