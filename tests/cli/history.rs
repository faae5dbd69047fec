//! `log` and `diff`: the tree of runs, and the differences between two.

use pentimento::store::Store;
use pentimento::store::runs::NewRun;
use pentimento::studio::prompt::{Block, Prompt};
use pentimento::studio::recipe::{Model, Recipe};
use pentimento::studio::settings::Settings;
use serde_json::{Value, json};

use crate::project::Project;
use crate::support::promised;

/// A project with `ada` and her first run.
fn one_run() -> Project {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    project.done(&["run", "ada", "--subject-block", "a calm person", "--style", "warm oil painting", "--seeds", "7x3"]);
    project
}

fn child(project: &Project, parent: &str, set: &str) {
    project.done(&["run", "ada", "--parent", parent, "--set", set]);
}

#[test]
fn the_log_is_a_tree() {
    let project = one_run();
    child(&project, "ada-0001", "guidance=4");
    child(&project, "ada-0001", "style=cold oil painting");
    child(&project, "ada-0002", "steps=20");
    child(&project, "ada-0001", "camera=85 mm");
    child(&project, "ada-0004", "steps=24");
    child(&project, "ada-0002", "steps=30");
    project.done(&["run", "ada", "--subject-block", "somebody else", "--seeds", "1,5"]);
    project.done(&["run", "ada", "--parent", "ada-0008", "--seeds", "9"]);
    let log = project.done(&["log", "ada"]);
    let drawn = "\
● ada-0001  queued  seeds 7x3  no pictures
│   a calm person, warm oil painting
├─● ada-0002  queued  seeds 7x3  no pictures
│ │   guidance: 3 → 4
│ ├─● ada-0004  queued  seeds 7x3  no pictures
│ │ │   steps: 8 → 20
│ │ ● ada-0006  queued  seeds 7x3  no pictures
│ │     steps: 20 → 24
│ ● ada-0007  queued  seeds 7x3  no pictures
│     steps: 8 → 30
├─● ada-0003  queued  seeds 7x3  no pictures
│     style: [-warm-] {+cold+} oil painting
● ada-0005  queued  seeds 7x3  no pictures
    camera: {+85 mm+}

● ada-0008  queued  seeds 1,5  no pictures
│   somebody else
● ada-0009  queued  seed 9  no pictures
    only the seeds differ
";
    assert_eq!(log.fits(), drawn);

    let log = project.json(&["log", "ada"]);
    assert_eq!((&log["subject"], &log["baseline"]), (&json!("ada"), &Value::Null));
    let runs = log["runs"].as_array().unwrap();
    let places: Vec<_> =
        runs.iter().map(|run| (run["task"].as_str().unwrap(), run["column"].as_u64().unwrap())).collect();
    let expected = [1, 2, 4, 6, 7, 3, 5, 8, 9].map(|number| format!("ada-000{number}"));
    let expected: Vec<_> = expected.iter().map(String::as_str).zip([0, 1, 2, 2, 1, 1, 0, 0, 0]).collect();
    assert_eq!(places, expected);
    assert_eq!((&runs[2]["parent"], &runs[0]["parent"]), (&json!("ada-0002"), &Value::Null));
    promised(&runs[0], &["state", "delta", "debug_reason", "seeds", "outputs", "accepted", "rejected", "diagnosis"]);
    promised(&runs[0], &["note", "error", "created"]);

    project.done(&["subject", "add", "Bo"]);
    assert!(project.done(&["log", "bo"]).fits().contains("No runs yet"));
    assert_eq!(project.json(&["log", "bo"])["runs"], json!([]));
    project.run(&["log", "eve"]).refused(1, &["eve"]);
}

fn recipe(words: &str, steps: usize) -> Recipe {
    Recipe {
        prompt: Prompt::new().with(Block::Subject, words),
        reference: None,
        settings: Settings { steps, ..Settings::default() },
        model: Model::named("mini"),
    }
}

/// A long chain and nested branches, with long names, wide characters and control characters.
#[test]
fn a_large_history_fits_the_terminal() {
    let project = Project::empty();
    let handle = "a-name-that-takes-all-the-room-there-is";
    project.done(&["subject", "add", "Ada", "--handle", handle]);
    let store = Store::open(&project.path()).unwrap();
    let subject = store.reader().unwrap().subject(&handle.parse().unwrap()).unwrap().id;
    let add = |parent, words: &str, steps| {
        let new = NewRun {
            parent,
            ..NewRun::new(subject, recipe(words, steps), "3,1,4,15,9,2,6,5,35,8,97".parse().unwrap())
        };
        store.add_run(&new, jiff::Timestamp::UNIX_EPOCH).unwrap()
    };
    let mut last = add(None, "a person", 1);
    for number in 0..3000 {
        last = add(Some(last), "a person", 2 + number % 2);
    }
    // Each run has two children: the first starts the next branch, the second continues the column.
    let wide = "肖像 of somebody \u{1b}[2J\u{202e} ".repeat(12);
    let mut branch = last;
    for number in 0..60 {
        let next = add(Some(branch), &format!("{wide} {number}"), 3);
        add(Some(branch), &format!("{wide} and another {number}"), 3);
        branch = next;
    }
    store.set_diagnosis(last, &wide).unwrap();

    let log = project.done(&["log", handle]);
    let first = log.fits().lines().filter(|line| line.starts_with('●')).count();
    assert_eq!(first, 3002, "the chain stays in the first column, and so does the last child at its end");
    assert!(log.stdout.contains("diagnosis: 肖像 of somebody [2J 肖像") && log.stdout.contains("child of a-name"));
    let log = project.json(&["log", handle]);
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3121);
    assert!(runs[..3001].iter().all(|run| run["column"] == 0));
    assert_eq!(runs.iter().map(|run| run["column"].as_u64().unwrap()).max(), Some(60));
}

#[test]
fn differences_and_measurements_are_separate() {
    let project = one_run();
    let other = ["run", "ada", "--parent", "ada-0001", "--debug", "a test", "--seeds", "8,9,20", "--set", "guidance=4"];
    let style = ["--set", "style=cold oil painting of today", "--steps", "1"];
    project.done(&[&other[..], &style].concat());
    let diff = project.done(&["diff", "ada-0001", "ada-0002"]);
    let told = "\
ada-0001 → ada-0002
  style     [-warm-] {+cold+} oil painting {+of today+}
  guidance  3 → 4
  steps     8 → 1
  seeds     7x3 → 8,9,20
";
    assert_eq!(diff.fits(), told);

    let diff = project.json(&["diff", "ada-0002", "ada-0001"]);
    assert_eq!(
        (&diff["before"], &diff["after"], &diff["same"]),
        (&json!("ada-0002"), &json!("ada-0001"), &json!(false))
    );
    let variables: Vec<_> = diff["changes"].as_array().unwrap().iter().map(|change| &change["variable"]).collect();
    assert_eq!(variables, ["style", "guidance", "steps"]);
    let words = json!([{"removed": "cold"}, {"added": "warm"}, {"same": "oil painting"}, {"removed": "of today"}]);
    assert_eq!(diff["changes"][0]["words"], words);
    promised(&diff["changes"][1], &["variable", "before", "after"]);
    assert_eq!((&diff["seeds"]["only_before"], &diff["seeds"]["only_after"]), (&json!([20]), &json!([7])));
    assert_eq!(diff["measured"]["timings"], json!({"before": null, "after": null}));

    // A finished run has measurements, which do not count as a difference.
    project.done(&["run", "ada", "--parent", "ada-0002", "--seeds", "3", "--wait", "--priority", "high"]);
    let diff = project.json(&["diff", "ada-0003", "ada-0003"]);
    assert_eq!((&diff["same"], &diff["changes"], &diff["files"]), (&json!(true), &json!([]), &json!([])));
    promised(&diff["measured"]["timings"]["before"], &["load_s", "encode_s", "denoise_s", "decode_s", "other_s"]);
    assert!(diff["measured"]["peak_memory_bytes"]["after"].as_u64() > Some(0));
    let same = project.done(&["diff", "ada-0003", "ada-0003"]);
    assert!(same.fits().contains("No differences") && same.stdout.contains("Measurements"), "{}", same.stdout);
    let half = project.done(&["diff", "ada-0002", "ada-0003"]);
    assert!(!half.fits().contains("No differences") && half.stdout.contains("unknown → "), "{}", half.stdout);
    project.run(&["diff", "ada-0001", "ada-0009"]).refused(1, &["ada-0009"]);
    project.run(&["diff", "ada-0001", "ada-r1"]).refused(2, &["ada-r1", "ada-0042"]);
}
