//! `demo`: from nothing to a sheet of portraits.

use std::fs;

use crate::support::{pentimento, run};

#[test]
fn it_makes_what_it_says_and_its_commands_make_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = pentimento();
    let ran = run(demo.args(["demo", "--json"]).current_dir(folder.path()));
    let document = ran.json();
    assert_eq!(ran.stderr, "", "no progress where nobody looks");
    assert!(document["peak_memory_bytes"].as_u64().is_none_or(|bytes| bytes < 1 << 30));

    let pictures = document["pictures"].as_array().unwrap();
    assert!(pictures.len() >= 6);
    for path in pictures.iter().map(|picture| &picture["path"]).chain([&document["sheet"], &document["reference"]]) {
        let path = folder.path().join(path.as_str().unwrap());
        let picture = image::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(picture.width() >= 64);
    }
    let scales: Vec<f64> =
        pictures.iter().rev().take(3).map(|picture| picture["adapter_scale"].as_f64().unwrap()).collect();
    assert!(scales.is_sorted_by(|one, next| one > next), "{scales:?}");

    // A picture with the adapter turned down: the command must say so.
    let picture = &pictures[pictures.len() - 2];
    let path = folder.path().join(picture["path"].as_str().unwrap());
    fs::remove_file(&path).unwrap();
    let words = picture["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let ran = run(pentimento().args(words).current_dir(folder.path()));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let hash = blake3::hash(&fs::read(&path).unwrap()).to_hex().to_string();
    assert_eq!(picture["hash"], hash.as_str());
}

#[test]
fn a_folder_that_cannot_be_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("demo"), "in the way").unwrap();
    run(pentimento().arg("demo").current_dir(folder.path())).refused(1, &["demo", "cannot write"]);
}
