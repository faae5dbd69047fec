//! `subject`: adding, renaming, consents and forgetting.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::project::Project;
use crate::support::{self, picture, promised};

/// Adds a picture under a new consent, and returns its JSON.
fn add_picture(project: &Project, subject: &str, label: &str, statement: &str, shade: u8) -> Value {
    let file = picture(&project.file(&format!("{label}.png")), shade);
    let words = ["ref", "add", subject, file.to_str().unwrap(), "--rights", "consent", "--statement", statement];
    project.json(&words)["added"][0].clone()
}

#[test]
fn subjects_are_added_listed_and_renamed() {
    let project = Project::empty();
    assert_eq!(project.json(&["subject", "list"]), json!({"subjects": []}));
    assert!(project.done(&["subject", "list"]).fits().contains("subject add"), "it says what to do next");
    let added = project.json(&["subject", "add", "Ada Lovelace", "--note", "countess"]);
    promised(&added, &["subject", "name", "note", "created"]);
    assert_eq!((&added["subject"], &added["note"]), (&json!("ada-lovelace"), &json!("countess")));
    project.done(&["subject", "add", "肖像", "--handle", "portrait"]);

    let renamed = project.json(&["subject", "rename", "ada-lovelace", "Ada\u{1b}[31m King"]);
    assert_eq!((&renamed["subject"], &renamed["name"]), (&json!("ada-lovelace"), &json!("Ada[31m King")));
    let list = project.json(&["subject", "list"]);
    let listed: Vec<_> = list["subjects"].as_array().unwrap().iter().map(|s| s["subject"].clone()).collect();
    assert_eq!(listed, ["ada-lovelace", "portrait"]);
    promised(&list["subjects"][0], &["references", "approved_references", "newest_run"]);
    let words = project.done(&["subject", "list"]);
    assert!(words.fits().contains("Ada[31m King") && words.stdout.contains("肖像"), "{}", words.stdout);

    let shown = project.json(&["subject", "show", "ada-lovelace"]);
    promised(&shown, &["subject", "name", "note", "created", "rights", "references", "baseline", "newest_runs"]);
}

#[test]
fn a_long_name_fits_the_terminal() {
    let project = Project::empty();
    let name = "Ada 肖像 Lovelace of the very long and winding name ".repeat(5);
    project.done(&["subject", "add", &name, "--handle", "ada", "--note", &name]);
    project.done(&["subject", "add", &"x".repeat(300), "--handle", "bo"]);
    for words in [["subject", "list"].as_slice(), &["subject", "show", "ada"]] {
        assert!(project.done(words).fits().contains("winding"));
    }
    assert!(project.done(&["subject", "show", "bo"]).fits().contains(&"x".repeat(60)));
}

#[test]
fn invalid_names_are_refused() {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    project.run(&["subject", "add", "Ada"]).refused(1, &["ada", "already"]);
    project.run(&["subject", "add", "肖像"]).refused(2, &["--handle"]);
    project.run(&["subject", "add", "Bo", "--handle", "B o"]).refused(2, &["B o", "lower-case"]);
    project.run(&["subject", "rename", "ada", "\u{202e} "]).refused(1, &["name", "empty"]);
    project.run(&["subject", "rename", "eve", "Eve"]).refused(1, &["eve"]);
    project.run(&["subject", "show", "eve"]).refused(1, &["eve"]);
    assert_eq!(project.json(&["subject", "list"])["subjects"].as_array().unwrap().len(), 1);
}

#[test]
fn withdrawing_a_consent_deletes_only_its_pictures() {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    project.run(&["subject", "withdraw-consent", "ada"]).refused(2, &["no consent"]);
    let (gone, kept) =
        (add_picture(&project, "ada", "one", "mail of May", 1), add_picture(&project, "ada", "two", "mail of June", 2));
    project.done(&["ref", "approve", "ada-r1", "ada-r2"]);
    project.done(&["run", "ada", "--subject-block", "a person", "--reference", "ada-r1"]);
    project.done(&["run", "ada", "--subject-block", "a person", "--reference", "ada-r2"]);

    project.run(&["subject", "withdraw-consent", "ada"]).refused(2, &["several consents", "number"]);
    project.run(&["subject", "withdraw-consent", "ada", "3"]).refused(2, &["no consent 3"]);
    // There is no terminal to ask on: whatever is piped in, nothing is deleted without --yes.
    for words in [
        &["subject", "withdraw-consent", "ada", "1"][..],
        &["subject", "forget", "ada"],
        &["ref", "withdraw", "ada-r1"],
    ] {
        for stdin in [Stdio::null(), piped("yes\n"), piped("no\n")] {
            support::run(project.command(words).stdin(stdin)).refused(2, &["cannot be undone", "--yes"]);
        }
    }
    assert_eq!(project.json(&["runs"])["runs"].as_array().unwrap().len(), 2);
    let went = project.json(&["subject", "withdraw-consent", "ada", "1", "--yes"]);
    promised(&went, &["right", "references", "runs", "outputs", "reviews", "files"]);
    assert_eq!((&went["right"], &went["references"], &went["runs"]), (&json!(1), &json!(1), &json!(1)));
    let path = |reference: &Value| PathBuf::from(reference["picture"]["path"].as_str().unwrap());
    assert!(!path(&gone).exists() && path(&kept).exists());

    let rights = project.json(&["subject", "rights", "ada"]);
    let standing: Vec<_> = rights["rights"].as_array().unwrap().iter().map(|right| right["standing"].clone()).collect();
    assert_eq!(standing, ["withdrawn", "in-force"]);
    promised(&rights["rights"][0], &["number", "kind", "statement", "granted", "expires", "withdrawn"]);
    assert!(project.done(&["subject", "rights", "ada"]).fits().contains("withdrawn on"));
    let run = ["run", "ada", "--subject-block", "a person", "--reference", "ada-r1"];
    project.run(&run).refused(3, &["withdrawn-consent", "ada-r1"]);
    project.run(&["ref", "approve", "ada-r1"]).refused(3, &["reference-state"]);
    project.run(&["subject", "withdraw-consent", "ada", "1"]).refused(2, &["already"]);
    let tasks: Vec<_> =
        project.json(&["runs"])["runs"].as_array().unwrap().iter().map(|run| run["task"].clone()).collect();
    assert_eq!(tasks, ["ada-0002"], "the queued run with the picture is deleted");
    project.done(&["verify"]);
}

#[test]
fn consents_expire() {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    let file = picture(&project.file("one.png"), 1);
    let words = ["ref", "add", "ada", file.to_str().unwrap(), "--rights", "licence", "--statement", "contract 7"];
    project.run(&[&words[..], &["--expires", "2001-01-01"]].concat()).refused(2, &["before it is granted"]);
    project.run(&[&words[..], &["--expires", "soon"]].concat()).refused(2, &["2028-01-01"]);
    assert_eq!(project.json(&["subject", "rights", "ada"]), json!({"rights": []}));
    project.done(&[&words[..], &["--expires", "2999-01-01"]].concat());
    assert!(project.done(&["subject", "rights", "ada"]).fits().contains("valid until 2999-01-01"));
}

/// Finds the needles in the contents and names of all files of a project.
fn found(project: &Path, needles: &[Vec<u8>]) -> Vec<String> {
    fn walk(folder: &Path, needles: &[Vec<u8>], hits: &mut Vec<String>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            for (number, needle) in needles.iter().enumerate() {
                let in_bytes = bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
                if in_bytes || name.as_bytes().windows(needle.len()).any(|window| window == needle.as_slice()) {
                    hits.push(format!("{number} in {name}"));
                }
            }
            if path.is_dir() {
                walk(&path, needles, hits);
            }
        }
    }
    let mut hits = Vec::new();
    walk(project, needles, &mut hits);
    hits
}

#[test]
fn forgetting_leaves_no_byte_of_a_subject() {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    add_picture(&project, "ada", "kept", "mail of May", 1);
    project.done(&["subject", "add", "Zaphodine Quuxberg", "--note", "xylotint"]);
    let handle = "zaphodine-quuxberg";
    let picture = add_picture(&project, handle, "vexillary", "paperstatement", 2)["picture"].clone();
    let reference = format!("{handle}-r1");
    project.done(&["ref", "approve", &reference, "--note", "glimmerwax"]);
    project.done(&["run", handle, "--subject-block", "fnordlight", "--seeds", "7", "--steps", "1", "--wait"]);
    let task = format!("{handle}-0001");
    project.done(&["reject", &format!("{task}:7"), "--note", "snarkstroke", "--diagnosis", "brummagem"]);
    project.done(&["run", handle, "--parent", &task, "--set", "subject=fnordlight from below"]);
    let made = project.json(&["show", &task])["outputs"][0].clone();

    let mut needles: Vec<Vec<u8>> = [
        "zaphodine",
        "quuxberg",
        "xylotint",
        "vexillary",
        "paperstatement",
        "glimmerwax",
        "fnordlight",
        "snarkstroke",
        "brummagem",
    ]
    .map(|word| word.as_bytes().to_vec())
    .to_vec();
    for picture in [&picture, &made] {
        let hash = picture["hash"].as_str().unwrap();
        let bytes = fs::read(picture["path"].as_str().unwrap()).unwrap();
        needles.push(hash.as_bytes().to_vec());
        needles.push(blake3::Hash::from_hex(hash).unwrap().as_bytes().to_vec());
        needles.push(bytes[bytes.len() / 2..][..64].to_vec());
    }
    let before = found(&project.path(), &needles);
    for (number, needle) in needles.iter().enumerate() {
        let there = before.iter().any(|hit| hit.starts_with(&format!("{number} in")));
        assert!(there, "{:?} was never stored", String::from_utf8_lossy(needle));
    }

    let went = project.json(&["subject", "forget", handle, "--yes"]);
    promised(&went, &["subject", "verified", "pending", "search", "references", "runs", "outputs", "reviews", "files"]);
    promised(
        &went["search"],
        &["files", "bytes", "searched_for", "names_in_use", "pictures_that_mention_it", "remains"],
    );
    assert_eq!((&went["verified"], &went["search"]["remains"]), (&json!(true), &json!([])));
    assert_eq!((&went["references"], &went["runs"], &went["outputs"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(found(&project.path(), &needles), [] as [String; 0]);
    project.run(&["subject", "show", handle]).refused(1, &[handle]);
    assert_eq!(project.json(&["subject", "show", "ada"])["references"].as_array().unwrap().len(), 1);
    assert_eq!(project.json(&["runs", "--search", "fnordlight"]), json!({"hits": []}));
    project.done(&["verify"]);
}

/// A file with this text, for stdin.
fn piped(text: &str) -> Stdio {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}
