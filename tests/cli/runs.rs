//! `run` and `runs`: runs from parents, lists and searches.

use serde_json::{Value, json};

use crate::project::Project;
use crate::support::promised;

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|run| run["task"].as_str().unwrap()).collect()
}

/// A project with `ada` and `bo`, without references.
fn two_subjects() -> Project {
    let project = Project::empty();
    project.done(&["subject", "add", "Ada"]);
    project.done(&["subject", "add", "Bo"]);
    project
}

#[test]
fn a_run_records_its_changes_against_its_parent() {
    let project = two_subjects();
    let first = ["run", "ada", "--subject-block", "a calm person", "--style", "oil painting", "--seeds", "7x3"];
    let first = project.json(&first);
    promised(
        &first,
        &[
            "task",
            "subject",
            "state",
            "parent",
            "delta",
            "debug_reason",
            "seeds",
            "prompt",
            "negative",
            "settings",
            "model",
        ],
    );
    promised(&first, &["diagnosis", "priority", "timings", "peak_memory_bytes", "hashes", "created", "finished"]);
    let changes = [
        ("subject=a smiling person", json!(["a calm person", "a smiling person"])),
        ("camera=85 mm", json!(["", "85 mm"])),
        ("style=", json!(["oil painting", ""])),
        ("negative=blurry", json!(["", "blurry"])),
        ("guidance=6.5", json!(["3", "6.5"])),
        ("steps=20", json!(["8", "20"])),
        ("adapter-weight=0.6 from 0.1 to 0.9", json!(["1", "0.6 from 0.1 to 0.9"])),
        ("scheduler=euler", json!(["model default", "euler"])),
        ("size=64x96", json!(["model default", "64×96"])),
        ("long-prompt=chunk", json!(["truncate", "chunk"])),
    ];
    for (set, values) in changes {
        let made = project.json(&["run", "ada", "--parent", "ada-0001", "--set", set]);
        let [change] = made["delta"].as_array().unwrap().as_slice() else { panic!("{set}: {made}") };
        let (variable, _) = set.split_once('=').unwrap();
        assert_eq!((&change["variable"], &made["parent"]), (&json!(variable), &json!("ada-0001")), "{set}");
        assert_eq!(json!([change["before"], change["after"]]), values, "{set}");
        assert_eq!(made["seeds"], json!([7, 8, 9]), "seeds are the parent's by default");
    }
    let seeds = project.json(&["run", "ada", "--parent", "ada-0001", "--seeds", "10x3"]);
    assert_eq!(seeds["delta"], json!([]));
    let runs = project.done(&["runs", "ada"]);
    assert!(
        runs.fits().contains("guidance: 3 → 6.5") && runs.stdout.contains("[-calm-] {+smiling+}"),
        "{}",
        runs.stdout
    );
    assert_eq!(runs.stdout.lines().count(), changes_and(2));
}

/// The number of runs in the test above: one for each change, and `more`.
fn changes_and(more: usize) -> usize {
    10 + more
}

#[test]
fn an_invalid_child_is_refused() {
    let project = two_subjects();
    project.done(&["run", "ada", "--subject-block", "a calm person", "--seeds", "7x3"]);
    let child = ["run", "ada", "--parent", "ada-0001"];
    project.run(&child).refused(3, &["nothing-changed"]);
    project.run(&[&child[..], &["--seeds", "8"]].concat()).refused(3, &["nothing-changed"]);
    project.run(&["run", "bo", "--parent", "ada-0001", "--seeds", "1"]).refused(3, &["other-subjects-run", "bo"]);
    project.run(&["run", "ada", "--parent", "ada-0009", "--seeds", "1"]).refused(1, &["ada-0009"]);
    let wrong = [
        ("mood=calm", "adapter-weight"),
        ("guidance", "NAME=VALUE"),
        ("guidance=much", "a number from 0 to 50"),
        ("steps=0", "from 1 to 1000"),
        ("scheduler=fast", "euler"),
        ("size=100x100", "multiples of 8"),
        ("long-prompt=drop", "truncate or chunk"),
        ("reference=ada-3", "ada-r3"),
    ];
    for (set, words) in wrong {
        project.run(&[&child[..], &["--set", set]].concat()).refused(2, &[words]);
    }
    project.run(&["run", "ada", "--set", "steps=3"]).misused(&["--parent"]);
    assert_eq!(names(&project.json(&["runs"])["runs"]), ["ada-0001"]);
}

#[test]
fn runs_are_listed_for_all_or_for_one() {
    let project = two_subjects();
    assert!(project.done(&["runs"]).fits().contains("No runs yet"));
    for subject in ["ada", "bo", "ada"] {
        project.done(&["run", subject, "--subject-block", &"a very long prompt 肖像 ".repeat(20)]);
    }
    assert_eq!(names(&project.json(&["runs"])["runs"]), ["ada-0002", "bo-0001", "ada-0001"]);
    assert_eq!(names(&project.json(&["runs", "ada", "--limit", "1"])["runs"]), ["ada-0002"]);
    promised(&project.json(&["runs", "bo"])["runs"][0], &["task", "outputs", "accepted", "rejected", "prompt"]);
    assert_eq!(project.done(&["runs"]).fits().lines().count(), 3, "one line for each run");
    for words in [["show", "bo-0001"], ["queue", "list"]] {
        project.done(&words).fits();
    }
    project.run(&["runs", "eve"]).refused(1, &["eve"]);
}

#[test]
fn a_search_can_be_limited_to_a_subject() {
    let project = two_subjects();
    for (subject, words) in [("ada", "a violinist by the sea"), ("bo", "a violinist at home"), ("ada", "a cellist")] {
        project.done(&["run", subject, "--subject-block", words]);
    }
    let hits = |words: &[&str]| {
        let found = project.json(&[&["runs"], words].concat());
        let hits = found["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(hits(&["--search", "violin"]), ["bo-0001", "ada-0001"]);
    assert_eq!(hits(&["ada", "--search", "violin"]), ["ada-0001"]);
    assert_eq!(hits(&["bo", "--search", "violin"]), ["bo-0001"]);
    assert_eq!(hits(&["bo", "--search", "cellist"]), [] as [&str; 0]);
    // Results of other subjects do not count towards the limit.
    assert_eq!(hits(&["ada", "--search", "violin", "--limit", "1"]), ["ada-0001"]);
    promised(&project.json(&["runs", "--search", "violin"])["hits"][0], &["in", "name", "snippet"]);
    assert!(project.done(&["runs", "ada", "--search", "viol"]).fits().contains("a [violinist] by the sea"));
    assert!(project.done(&["runs", "bo", "--search", "cellist"]).fits().contains("No matches for"));
    project.run(&["runs", "eve", "--search", "violin"]).refused(1, &["eve"]);
}

#[test]
fn a_draft_waits_until_it_is_queued() {
    let project = two_subjects();
    let draft = |project: &Project| project.done(&["run", "ada", "--subject-block", "a calm person", "--draft"]);
    draft(&project);
    draft(&project);
    assert_eq!(project.json(&["queue", "list"])["runs"], json!([]));
    project.done(&["queue", "add", "ada-0001"]);
    assert_eq!(names(&project.json(&["queue", "list"])["runs"]), ["ada-0001"]);
    for word in ["add", "discard"] {
        project.run(&["queue", word, "ada-0001"]).refused(3, &["ada-0001", "queued", "draft"]);
    }
    project.done(&["queue", "discard", "ada-0002"]);
    project.run(&["show", "ada-0002"]).refused(1, &["ada-0002"]);
    assert_eq!(names(&project.json(&["queue", "list"])["runs"]), ["ada-0001"]);
}

#[test]
fn foreign_syntax_is_noted_when_a_run_is_queued() {
    let project = two_subjects();
    let words =
        ["run", "ada", "--subject-block", "a ((calm)) person BREAK", "--negative", "[hat]", "--draft", "--json"];
    let ran = project.run(&words);
    let notes = ran.json()["notes"].clone();
    let note = |number: usize| notes[number].as_str().unwrap();
    assert!(note(0).contains("no approved reference"), "{notes}");
    assert!(note(1).starts_with("((calm)), [hat]: ") && note(2).starts_with("BREAK: "), "{notes}");
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("note: ")).count(), 3, "{}", ran.stderr);
    let queued = project.done(&["queue", "add", "ada-0001"]);
    assert!(
        queued.stderr.contains("note: ((calm)), [hat]: ") && queued.stderr.contains("note: BREAK"),
        "{}",
        queued.stderr
    );
}

#[test]
fn seeds_may_be_negative_or_drawn() {
    let project = two_subjects();
    let run = |seeds: &str| project.run(&["run", "ada", "--subject-block", "x", "--draft", "--json", "--seeds", seeds]);
    let seeds = |seeds: &str| run(seeds).json()["seeds"].clone();
    assert_eq!(seeds("-5x2"), json!([u64::MAX - 4, u64::MAX - 3]));
    assert_eq!(seeds("-5,7"), json!([u64::MAX - 4, 7]));
    let drawn = run("-1x3");
    let first = drawn.json()["seeds"][0].as_u64().unwrap();
    assert_eq!(drawn.json()["seeds"], json!([first, first + 1, first + 2]));
    assert!(drawn.stderr.contains(&format!("drew {first}x3")), "{}", drawn.stderr);
    assert_ne!(seeds("-1,-1"), seeds("-1,-1"));
    run("18446744073709551616").misused(&["from -9223372036854775808 to 18446744073709551615"]);
    project.run(&["run", "ada", "--parent", "ada-0001", "--set", "seeds=-1"]).misused(&["--seeds"]);
}

#[test]
fn a_worker_fails_if_a_run_failed() {
    let project = two_subjects();
    let model = project.folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    let words = ["run", "ada", "--subject-block", "x", "--model", model.to_str().unwrap()];
    if project.run(&words).status != 0 {
        // The model is checked when the run is queued: break it afterwards.
        std::fs::remove_dir(&model).unwrap();
        copy(&crate::support::data("sd1"), &model);
        project.done(&words);
        std::fs::remove_dir_all(model.join("vae")).unwrap();
    }
    project.done(&["run", "bo", "--subject-block", "x", "--seeds", "1", "--steps", "1"]);
    let ran = project.run(&["worker", "--until-empty", "--device", "cpu"]);
    ran.refused(1, &["1 run failed", "queue retry"]);
    assert_eq!(project.json(&["show", "bo-0001"])["state"], "done");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
