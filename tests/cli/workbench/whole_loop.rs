//! The whole loop through the program in a terminal, from an empty home to the drafted next run.

use std::path::Path;

use rustix::process::Signal;

use super::terminal::Terminal;
use crate::support::{self, Ran, pentimento};

fn cli(home: &Path, words: &[&str]) -> Ran {
    support::run(pentimento().args(words).env("HOME", home).current_dir(home))
}

#[test]
fn from_a_new_home_to_the_drafted_next_run() {
    let home = tempfile::tempdir().unwrap();
    let picture = home.path().join("frontal.png");
    support::picture(&picture, 90);

    let mut screen = Terminal::open(home.path(), &[]);
    screen.wait("sample").wait("✓ valid");
    screen.press("a").wait("Name of the new subject");
    screen.press("Ada\r").wait("Added Ada");
    screen.press("R").wait("No references yet");

    screen.press("g").wait("Ada: why are you allowed");
    screen.press("\r").wait("Ada, own: who agreed");
    screen.press("pictures of myself\r").wait("Consent recorded for Ada");
    screen.press("i").wait("Tab completes");
    screen.press(picture.parent().unwrap().to_str().unwrap()).press("/fr").wait("frontal.png");
    screen.press("\t\r").wait("as a candidate");
    screen.press("a").wait("✓ approved");

    screen.press("C").wait("First run for Ada");
    screen.press("portrait of a calm person").wait("Ready");
    // Nine fields down are the steps.
    screen.press(&"\t".repeat(9)).wait("type steps").press("2\r").wait("s queues this run").press("s");
    screen.wait("Queued ada-0001 (3 pictures)");
    screen.press("H").wait("of 3 pictures · newest first");
    screen.press("\r").wait("waxy");
    screen.press("3").wait("Likely cause");
    screen.press("\r").wait("Queued ada-0002");
    screen.press("q");
    assert_eq!(screen.ended(), 0);

    let run = cli(home.path(), &["show", "ada-0002", "--json"]).json();
    assert_eq!(run["parent"], "ada-0001", "{run}");
    assert_eq!(run["delta"].as_array().map(Vec::len), Some(1), "{run}");
    let first = cli(home.path(), &["show", "ada-0001", "--json"]).json();
    assert_eq!(first["state"], "done", "{first}");
    assert!(first.to_string().contains("waxy"), "{first}");
}

/// The states of all runs.
fn states(home: &Path) -> Vec<String> {
    let runs = cli(home, &["runs", "--json"]).json();
    runs["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_worker_finishes_the_queue_after_a_lost_connection() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = Terminal::open(home.path(), &[]);
    screen.wait("sample").wait("▶ sample-0001");
    screen.signal(Signal::HUP);
    screen.ended();
    assert_eq!(states(home.path()), ["done", "done"]);
    assert_eq!(cli(home.path(), &["verify"]).status, 0);
}

#[test]
fn a_terminated_workbench_leaves_its_run_to_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = Terminal::open(home.path(), &[]);
    screen.wait("sample").wait("▶ sample-0001");
    screen.signal(Signal::TERM);
    assert_eq!(screen.ended(), 143);
    assert!(!states(home.path()).contains(&"running".to_owned()), "{:?}", states(home.path()));
    let mut again = Terminal::open(home.path(), &[]);
    again.wait("sample");
    again.press("Q").wait("Queue empty");
    again.press("q");
    assert_eq!(again.ended(), 0);
    assert_eq!(states(home.path()), ["done", "done"]);
}
