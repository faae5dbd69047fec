//! What interrupted programs leave is deleted; what running programs write is not.

use std::fs;
use std::path::PathBuf;

use pentimento::store::Store;
use pentimento::store::removal::Pending;
use pentimento::studio::ids::SubjectId;
use rusqlite::Connection;

use crate::project::*;

/// An orphan and an unfinished file with a text, as a worker leaves them that dies around its rename.
fn leave(project: &Project, text: &str) -> [PathBuf; 2] {
    let orphan = project.store.blobs().path(&blake3::hash(text.as_bytes()));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, text).unwrap();
    let unfinished = orphan.with_file_name(".new-unfinished");
    fs::write(&unfinished, text).unwrap();
    [orphan, unfinished]
}

/// Another subject with a reference.
fn bo(project: &Project) -> SubjectId {
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    project.store.add_consent(bo, &grant(None)).unwrap();
    project.store.add_reference(bo, &picture("bo's face"), at(1)).unwrap();
    bo
}

#[test]
fn every_deletion_collects_what_dead_programs_left() {
    let deletions: [&dyn Fn(&Project); 3] = [
        &|project| drop(project.store.forget_subject(project.ada).unwrap()),
        &|project| drop(project.store.withdraw_consent(project.consent, at(9)).unwrap()),
        &|project| drop(project.store.withdraw_reference(project.candidate("face"), at(9)).unwrap()),
    ];
    for delete in deletions {
        let project = Project::new();
        let kept = bo(&project);
        let left = leave(&project, "the prompt of a picture");
        delete(&project);
        assert!(left.iter().all(|path| !path.exists()), "{left:?}");
        assert_eq!(project.store.verify().unwrap().orphans, [] as [PathBuf; 0]);
        project.assert_verified();
        assert_eq!(project.reader().references(kept).unwrap().len(), 1);
    }
}

#[test]
fn opening_collects_what_a_dead_program_left() {
    // The dead program was the last one, and left its log: every folder is searched.
    let project = Project::new();
    let left = leave(&project, "a picture");
    let copy = project.folder.path().join("copy");
    for file in files(&project.path) {
        let to = copy.join(file.strip_prefix(&project.path).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, &to).unwrap();
    }
    assert!(copy.join("project.db-wal").exists());
    drop(Store::open(&copy).unwrap());
    assert!(left.iter().all(|path| !copy.join(path.strip_prefix(&project.path).unwrap()).exists()));

    // Another program closed the project: the dead one's list says where to search.
    let list = project.store.blobs().folder().join(".reserved-list");
    fs::write(&list, format!("{}\n", blake3::hash(b"a picture"))).unwrap();
    for name in [".project-x.new", ".ballast-x"] {
        fs::write(project.path.join(name), "half").unwrap();
    }
    let Project { store, path, folder: _folder, .. } = project;
    drop(store);
    drop(Store::open(&path).unwrap());
    assert_eq!(files(&path), [path.join("project.db")]);
}

#[test]
fn a_deletion_succeeds_while_another_program_reads() {
    let project = Project::new();
    project.candidate("xylotint");
    let database = project.path.join("project.db");
    let reader = Connection::open(&database).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM subjects;").unwrap();
    let report = project.store.forget_subject(project.ada).unwrap();
    assert_eq!((report.references, report.pending), (1, Some(Pending::InUse)));
    // Opening the project works meanwhile, and says it too.
    let warnings = Store::open(&project.path).unwrap().warnings().to_vec();
    assert!(warnings.len() == 1 && warnings[0].contains("another program"), "{warnings:?}");
    drop(reader);
    assert_eq!(Store::open(&project.path).unwrap().warnings(), [] as [String; 0]);
    let bytes = fs::read(&database).unwrap();
    assert!(!bytes.windows(12).any(|window| window == b"Ada Lovelace"));
}
