//! `review`, `accept`, `reject` and `baseline`.

use serde_json::{Value, json};

use crate::project::Project;
use crate::support::promised;

/// A project with `ada` and two pictures: `ada-0001:7` and `ada-0001:8`.
fn two_pictures() -> Project {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    project.done(&["run", "ada", "--subject-block", "a calm person", "--seeds", "7x2", "--steps", "1", "--wait"]);
    project
}

fn shown(project: &Project, output: &str) -> Value {
    project.json(&["show", output])["outputs"][0].clone()
}

const GOOD: &str = "appearance=3,prompt=3,expression=2,skin=3,artifacts=4";

#[test]
fn reviews_are_kept_and_shown() {
    let project = two_pictures();
    let review = ["review", "ada-0001:7", "--failure", "waxy", "--failure", "wrong-face", "--score", "skin=1"];
    let said = ["--note", "cheeks\u{1b}[31m like\nwax", "--reviewer", "Kim", "--diagnosis", "too much guidance"];
    let kept = project.json(&[&review[..], &said].concat());
    promised(
        &kept,
        &["output", "seed", "hash", "path", "width", "height", "measures", "verdict", "baseline", "scores"],
    );
    promised(&kept, &["reviews", "created", "task", "diagnosis"]);
    assert_eq!((&kept["verdict"], &kept["diagnosis"]), (&json!("open"), &json!("too much guidance")));
    let first = &kept["reviews"][0];
    assert_eq!((&first["reviewer"], &first["note"]), (&json!("Kim"), &json!("cheeks[31m like wax")));
    assert_eq!((&first["failures"], &first["scores"]), (&json!(["waxy", "wrong-face"]), &json!({"skin": 1})));

    // A second review: the newest score counts, both reviews stay, and the other picture has none.
    let again = project.done(&["reject", "ada-0001:7", "--score", "skin=2,prompt=4", "--failure", "style-ignored"]);
    assert!(
        again.fits().contains("Rejected ada-0001:7.") && again.stdout.contains("style-ignored"),
        "{}",
        again.stdout
    );
    let picture = shown(&project, "ada-0001:7");
    assert_eq!((&picture["verdict"], &picture["scores"]), (&json!("rejected"), &json!({"prompt": 4, "skin": 2})));
    assert_eq!(picture["reviews"].as_array().unwrap().len(), 2);
    assert_eq!(shown(&project, "ada-0001:8")["reviews"], json!([]));

    let words = project.done(&["show", "ada-0001"]);
    for part in
        ["ada-0001:7, rejected", "Reviews of ada-0001:7", "Kim", "waxy, wrong-face", "prompt 4, skin 2", "guidance"]
    {
        assert!(words.fits().contains(part), "{part} is not in: {}", words.stdout);
    }
    assert!(!words.stdout.contains("Reviews of ada-0001:8"));
    let log = project.done(&["log", "ada"]);
    assert!(
        log.fits().contains("1 rejected, 1 unreviewed") && log.stdout.contains("diagnosis: too much"),
        "{}",
        log.stdout
    );
    assert_eq!(project.json(&["runs", "ada", "--search", "cheeks"])["hits"][0]["in"], "review");

    // A diagnosis alone does not count as a review. Without a diagnosis, the log shows the newest note.
    project.done(&["review", "ada-0001:7", "--diagnosis", ""]);
    assert_eq!(shown(&project, "ada-0001:7")["reviews"].as_array().unwrap().len(), 2);
    assert!(project.done(&["log", "ada"]).fits().contains("note: cheeks[31m like wax"));
}

#[test]
fn unknown_keys_and_scores_are_wrong_usage() {
    let project = two_pictures();
    let wrong: [(&[&str], &[&str]); 12] = [
        (
            &["--failure", "ugly"],
            &["ugly", "style-ignored, identity-unstable, waxy, wrong-face, wrong-expression, other"],
        ),
        (&["--failure", "Waxy Skin"], &["Waxy Skin", "wrong-face"]),
        (&["--failure", "waxy,ugly"], &["ugly", "wrong-face"]),
        (&["--score", "beauty=3"], &["beauty", "appearance, prompt, expression, skin, artifacts"]),
        (&["--score", "skin=5"], &["0 (absent) to 4", "appearance, prompt, expression, skin, artifacts"]),
        (&["--score", "skin=-1"], &["0 (absent) to 4", "skin, artifacts"]),
        (&["--score", "skin=2.5"], &["0 (absent) to 4", "skin, artifacts"]),
        (&["--score", "skin"], &["CRITERION=N", "skin, artifacts"]),
        (&["--score", "skin=2", "--score", "skin=3"], &["skin", "twice"]),
        (&[], &["the review of ada-0001:7 is empty", "--note"]),
        (&["--note", " "], &["is empty"]),
        (&["--verdict", "accepted"], &["--verdict"]),
    ];
    for (words, said) in wrong {
        project.run(&[&["review", "ada-0001:7"], words].concat()).refused(2, said);
    }
    for command in ["review", "accept", "reject", "baseline"] {
        project.run(&[command, "ada-0001"]).refused(2, &["ada-0001", "ada-0042:7"]);
    }
    for command in ["accept", "reject", "baseline"] {
        project.run(&[command, "ada-0001:9"]).refused(1, &["ada-0001:9"]);
        project.run(&[command, "ada-0009:7"]).refused(1, &["ada-0009"]);
    }
    let picture = shown(&project, "ada-0001:7");
    assert_eq!((&picture["reviews"], &picture["verdict"]), (&json!([]), &json!("open")), "nothing was kept");
}

#[test]
fn a_baseline_meets_the_rubric() {
    let project = two_pictures();
    let refused = |words: &[&str]| project.run(&["baseline", "ada-0001:7"]).refused(3, words);
    refused(&["rubric-incomplete", "appearance, prompt, expression, skin, artifacts"]);
    let accepted = project.done(&["accept", "ada-0001:7"]);
    assert!(
        accepted.fits().contains("become the baseline, score:\n  appearance, prompt, expression, skin, artifacts\n")
    );
    project.done(&["review", "ada-0001:7", "--score", "appearance=3,prompt=3,expression=2,skin=3"]);
    refused(&["rubric-incomplete", "artifacts"]);
    project.done(&["reject", "ada-0001:7", "--score", "artifacts=1"]);
    refused(&["not-accepted"]);
    project.done(&["accept", "ada-0001:7"]);
    refused(&["rubric-too-low", "artifacts", "choose a better one"]);
    assert_eq!(project.json(&["subject", "show", "ada"])["baseline"], Value::Null);

    let accepted = project.done(&["accept", "ada-0001:7", "--score", GOOD]);
    assert!(accepted.fits().contains("pentimento baseline ada-0001:7"), "{}", accepted.stdout);
    let set = project.json(&["baseline", "ada-0001:7", "--reason", "looks like her", "--reviewer", "Kim"]);
    promised(&set, &["subject", "baseline", "before", "set_by", "reason", "since"]);
    assert_eq!((&set["baseline"], &set["before"]), (&json!("ada-0001:7"), &Value::Null));
    assert_eq!((&set["set_by"], &set["reason"]), (&json!("Kim"), &json!("looks like her")));

    project.done(&["accept", "ada-0001:8", "--score", GOOD]);
    let next = project.done(&["baseline", "ada-0001:8"]);
    assert!(next.fits().contains("ada-0001:8 is now the baseline of ada."));
    assert_eq!(project.json(&["subject", "show", "ada"])["baseline"], "ada-0001:8");
    let shown = project.json(&["show", "ada-0001"]);
    let marks: Vec<_> = shown["outputs"].as_array().unwrap().iter().map(|output| output["baseline"].clone()).collect();
    assert_eq!(marks, [false, true]);
    assert!(project.done(&["show", "ada-0001"]).fits().contains("ada-0001:8, accepted, baseline"));
    assert!(project.done(&["log", "ada"]).fits().contains("2 accepted  baseline: seed 8"));
    assert_eq!(project.json(&["log", "ada"])["baseline"], "ada-0001:8");
    assert_eq!(project.json(&["log", "ada"])["runs"][0]["accepted"], 2);
    project.done(&["verify"]);
}
