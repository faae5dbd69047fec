//! `demo`: what it generates, and that its commands generate the same again.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{pentimento, run};

#[test]
fn the_json_document_names_every_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = pentimento();
    let ran = run(demo.args(["demo", "--json"]).current_dir(folder.path()));
    let document = ran.json();
    assert_eq!(ran.stderr, "", "no progress without a terminal");
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

    // The command of a picture with a lower adapter scale.
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
fn the_script_reproduces_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(pentimento().args(["demo", "--output", "my demo"]).current_dir(folder.path()));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let last = ran.stdout.lines().last().unwrap();
    let program = env!("CARGO_BIN_EXE_pentimento");
    assert_eq!(last, format!("To reproduce them exactly: my demo/commands.sh. Now open the workbench: {program}"));

    let demo = folder.path().join("my demo");
    let script = fs::read_to_string(demo.join("commands.sh")).unwrap();
    let (head, commands): (Vec<&str>, Vec<&str>) = script.lines().partition(|line| !line.contains(" generate "));
    let names = |line: &str| line.rsplit_once(' ').unwrap().1.to_owned();
    let pictures = |name: &str| name.starts_with("prompt-") || name.starts_with("scale-");
    let mut listed: Vec<String> = commands.iter().map(|line| names(line)).collect();
    listed.sort();
    let mut written: Vec<String> = fs::read_dir(&demo)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| pictures(name))
        .collect();
    written.sort();
    assert_eq!(listed, written, "one command for each picture");

    // The script with its first and last command only, which is enough to compare bytes.
    let chosen = [commands[0], commands[commands.len() - 1]];
    let short = [&head[..], &chosen].concat().join("\n");
    let before = chosen.map(|line| fs::read(demo.join(names(line))).unwrap());
    chosen.iter().for_each(|line| fs::remove_file(demo.join(names(line))).unwrap());
    fs::write(demo.join("commands.sh"), short).unwrap();
    let status = Command::new(demo.join("commands.sh")).current_dir(Path::new("/")).status().unwrap();
    assert!(status.success(), "it is executable and works from any folder");
    let after = chosen.map(|line| fs::read(demo.join(names(line))).unwrap());
    assert!(before == after, "the pictures differ");
}

#[test]
fn a_folder_that_cannot_be_created() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("demo"), "in the way").unwrap();
    run(pentimento().arg("demo").current_dir(folder.path())).refused(1, &["demo", "cannot write"]);
}
