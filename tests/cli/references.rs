//! `ref`: adding pictures under a consent, and deciding on them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::project::Project;
use crate::support::{picture, promised};

/// A project with `ada` and three candidates under one consent.
fn three() -> Project {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    let files = [("one.png", 1), ("two.png", 2), ("three.png", 3)];
    let files = files.map(|(name, shade)| picture(&project.file(name), shade));
    let mut words = vec!["ref", "add", "ada", "--rights", "consent", "--statement", "signed release, folder 7"];
    words.extend(files.iter().map(|file| file.to_str().unwrap()));
    let added = project.json(&words);
    assert_eq!(added["added"].as_array().unwrap().len(), 3);
    project
}

fn states(project: &Project) -> Vec<String> {
    let list = project.json(&["ref", "list", "ada"]);
    list["references"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn candidates_are_approved_rejected_and_retired() {
    let project = three();
    assert_eq!(states(&project), ["candidate", "candidate", "candidate"]);
    let approved = project.json(&["ref", "approve", "ada-r1", "ada-r3", "--note", "frontal", "--reviewer", "Kim"]);
    promised(&approved["references"][1], &["reference", "subject", "state", "label", "picture", "gate", "note"]);
    assert_eq!(approved["references"][1]["reviewer"], "Kim");
    project.done(&["ref", "reject", "ada-r2", "--note", "blurred"]);
    assert_eq!(states(&project), ["approved", "rejected", "approved"]);
    let retired = project.json(&["ref", "retire", "ada-r1"]);
    assert_eq!(retired["references"][0]["state"], "retired");
    // A run uses the newest approved reference.
    let made = project.json(&["run", "ada", "--subject-block", "a person"]);
    assert_eq!(made["reference"], "ada-r3");
    for other in ["ada-r1", "ada-r2"] {
        let run = ["run", "ada", "--subject-block", "a person", "--reference", other];
        project.run(&run).refused(3, &["unapproved-reference", other]);
    }
    assert!(project.done(&["ref", "list", "ada"]).fits().contains("ada-r2  rejected"));
    project.done(&["ref", "approve", "ada-r2"]);
    assert_eq!(states(&project), ["retired", "approved", "approved"]);
}

/// Another decoder reads these as green stripes, without an error. The values are libjpeg-turbo's.
#[test]
fn jpegs_with_one_scan_per_channel_are_added_with_their_pixels() {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let values: Value = serde_json::from_slice(&fs::read(pictures.join("odd.json")).unwrap()).unwrap();
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    for name in ["420", "420-odd", "422", "440", "444", "sampling-3x1"] {
        let file = format!("field/one-each-{name}.jpg");
        let path = pictures.join(&file);
        let words = ["ref", "add", "ada", path.to_str().unwrap(), "--rights", "consent", "--statement", "x"];
        let added = project.json(&words);
        let stored = fs::read(added["added"][0]["picture"]["path"].as_str().unwrap()).unwrap();
        let pixels = image::load_from_memory(&stored).unwrap().to_rgb8();
        assert_eq!(values["files"][&file]["blake3"], blake3::hash(pixels.as_raw()).to_hex().as_str(), "{name}");
    }
}

#[test]
fn an_impossible_decision_changes_nothing() {
    let project = three();
    project.run(&["ref", "retire", "ada-r1"]).refused(3, &["reference-state", "candidate", "retire"]);
    project.run(&["ref", "approve", "ada-r1", "ada-r9"]).refused(1, &["ada-r9"]);
    project.run(&["ref", "approve", "ada-3"]).refused(2, &["ada-3", "ada-r3"]);
    project.run(&["ref", "approve"]).misused(&["<REFERENCE>"]);
    assert_eq!(states(&project), ["candidate", "candidate", "candidate"]);
}

#[test]
fn pictures_need_a_consent() {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    let (file, broken) = (picture(&project.file("one.png"), 1), project.file("broken.png"));
    fs::write(&broken, &fs::read(&file).unwrap()[..200]).unwrap();
    let (file, broken) = (file.to_str().unwrap(), broken.to_str().unwrap());
    let add = ["ref", "add", "ada", file];
    let refused = project.run(&add);
    refused.refused(3, &["no-right-recorded"]);
    assert!(refused.stderr.contains("hint: use --rights"), "{}", refused.stderr);
    project.run(&[&add[..], &["--rights", "consent"]].concat()).misused(&["--statement"]);
    let borrowed = ["--rights", "borrowed", "--statement", "x"];
    project.run(&[&add[..], &borrowed].concat()).refused(2, &["borrowed", "public-domain"]);
    project.run(&[&add[..], &["--rights", "own", "--statement", " "]].concat()).refused(2, &["statement"]);
    // One of two pictures is unreadable: nothing is recorded, not even the consent.
    project.run(&[&add[..], &[broken, "--rights", "own", "--statement", "me"]].concat()).refused(1, &["broken.png"]);
    let nothing = project.json(&["subject", "show", "ada"]);
    assert_eq!((&nothing["rights"], &nothing["references"]), (&json!([]), &json!([])));

    project.done(&[&add[..], &["--rights", "own", "--statement", "me"]].concat());
    // The consent exists now.
    let again = project.json(&[&add[..], &["--label", "Ada\u{1b}]0;x\u{7} at the window"]].concat());
    assert_eq!(again["added"][0]["label"], "Ada]0;x at the window");
    assert_eq!(project.json(&["subject", "rights", "ada"])["rights"].as_array().unwrap().len(), 1);
}

#[test]
fn a_reference_is_shown_and_written_to_a_file() {
    let project = three();
    let shown = project.json(&["ref", "show", "ada-r2"]);
    promised(&shown, &["reference", "picture", "report", "overruled", "reviewer", "added", "reviewed"]);
    assert_eq!((&shown["picture"]["width"], &shown["picture"]["height"]), (&json!(72), &json!(96)));
    let out = project.file("out.png");
    assert!(project.done(&["ref", "show", "ada-r2", "--output", out.to_str().unwrap()]).fits().contains("folder 7"));
    let pixels = |path: &Path| image::open(path).unwrap().to_rgb8();
    assert!(pixels(&out) == pixels(&project.file("two.png")));
}

#[test]
fn a_withdrawn_reference_keeps_only_its_number() {
    let project = three();
    let before = project.json(&["ref", "show", "ada-r2"]);
    let went = project.json(&["ref", "withdraw", "ada-r2", "--yes"]);
    promised(&went, &["reference", "references", "runs", "outputs", "reviews", "files"]);
    // A picture this small is its own thumbnail.
    assert_eq!((&went["reference"], &went["files"]), (&json!("ada-r2"), &json!(1)));
    assert!(!Path::new(before["picture"]["path"].as_str().unwrap()).exists());
    let after = project.json(&["ref", "show", "ada-r2"]);
    assert_eq!((&after["state"], &after["picture"], &after["label"]), (&json!("withdrawn"), &Value::Null, &json!("")));
    project.run(&["ref", "withdraw", "ada-r2", "--yes"]).refused(3, &["reference-state"]);
    let out = project.file("out.png");
    project.run(&["ref", "show", "ada-r2", "--output", out.to_str().unwrap()]).refused(1, &["ada-r2", "no picture"]);
    project.done(&["verify"]);
}
