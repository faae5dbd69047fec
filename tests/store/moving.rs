//! A project that is moved, deleted or replaced while it is open.

use std::fs;

use pentimento::store::{Error, Store};

use crate::project::*;

#[test]
fn nothing_is_written_to_a_project_that_was_moved() {
    let project = Project::new();
    project.queued(recipe(), "1");
    let claimed = project.claim("w", 5).unwrap();
    let moved = project.folder.path().join("moved");
    fs::rename(&project.path, &moved).unwrap();
    let is_moved = |error: Error| matches!(&error, Error::Moved { folder } if *folder == project.path);
    let before = files(&moved);
    let written = project.store.add_output(&claimed.claim, &output(&claimed.claim, 1), at(6));
    assert!(is_moved(written.unwrap_err()));
    assert!(is_moved(project.store.rename_subject(project.ada, "Eve").unwrap_err()));
    assert!(!project.path.exists(), "the old folder is not created again");
    // A new project in the old place is not touched either.
    let new = Store::create(&project.path).unwrap();
    assert!(is_moved(project.store.rename_subject(project.ada, "Eve").unwrap_err()));
    assert_eq!(new.reader().unwrap().subjects().unwrap(), []);
    drop(new);
    let untouched = files(&project.path);
    let Project { store, path, folder: _folder, .. } = project;
    drop(store);
    assert_eq!(files(&path), untouched);
    assert_eq!(files(&moved).len(), before.len());
    let store = Store::open(&moved).unwrap();
    assert_eq!(store.verify().unwrap().problems, []);
    assert_eq!(store.reader().unwrap().subjects().unwrap()[0].name, "Ada Lovelace");
}

#[test]
fn nothing_is_written_to_a_project_that_was_deleted() {
    let project = Project::new();
    fs::remove_dir_all(&project.path).unwrap();
    let added = project.store.add_reference(project.ada, &picture("face"), at(1));
    assert!(added.is_err());
    assert!(!project.path.exists());
}
