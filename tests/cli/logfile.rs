//! The log file: where it is, what it contains, and that it never disturbs a command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Ran, pentimento};

/// The program with its own state folder and the default log.
fn logging(state: &Path) -> Command {
    let mut command = pentimento();
    command.env("XDG_STATE_HOME", state).env_remove("PENTIMENTO_LOG");
    command
}

fn run(state: &Path, words: &[&str]) -> Ran {
    support::run(logging(state).args(words))
}

/// The text of today's log; empty if there is none.
fn text(state: &Path) -> String {
    let Ok(entries) = fs::read_dir(state.join("pentimento/log")) else { return String::new() };
    entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn doctor_names_the_file() {
    let state = tempfile::tempdir().unwrap();
    let log = run(state.path(), &["doctor", "--json"]).json()["log"].take();
    assert_eq!((&log["ok"], &log["facts"]["level"]), (&true.into(), &"info".into()));
    assert_eq!(log["facts"]["origin"], "default");
    let path = PathBuf::from(log["facts"]["path"].as_str().unwrap());
    assert!(path.starts_with(state.path()) && path.is_file(), "{}", path.display());
    assert!(log["found"].as_str().unwrap().contains(path.to_str().unwrap()));
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::tempdir().unwrap();
    run(state.path(), &["man"]);
    let folder = state.path().join("pentimento/log");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn the_level_comes_from_the_flag_then_the_variable() {
    let state = tempfile::tempdir().unwrap();
    let level = |flag: &[&str], variable: &str| {
        let mut command = logging(state.path());
        command.args(flag).args(["config", "--json"]).env("PENTIMENTO_LOG", variable);
        let config = support::run(&mut command).json();
        (config["log"].as_str().unwrap().to_owned(), config["origin"]["log"].as_str().unwrap().to_owned())
    };
    let pair = |level: &str, origin: &str| (level.to_owned(), origin.to_owned());
    assert_eq!(level(&[], ""), pair("info", "default"));
    assert_eq!(level(&[], "debug"), pair("debug", "environment variable PENTIMENTO_LOG"));
    assert_eq!(level(&["--log", "warn"], "debug"), pair("warn", "flag --log"));
    run(state.path(), &["--log", "loud", "man"]).misused(&["loud", "off, error, warn, info, debug or trace"]);
}

#[test]
fn an_invalid_variable_is_a_warning() {
    let state = tempfile::tempdir().unwrap();
    let ran = support::run(logging(state.path()).args(["config", "--json"]).env("PENTIMENTO_LOG", "loud"));
    assert_eq!(ran.json()["log"], "info");
    assert!(ran.stderr.contains("invalid PENTIMENTO_LOG \"loud\": use off, error,"), "{}", ran.stderr);
}

#[test]
fn off_writes_nothing() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(run(state.path(), &["--log", "off", "man"]).status, 0);
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn prompts_paths_and_names_stay_out_of_it_by_default() {
    let state = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("portraits-of-zelda");
    let project = project.to_str().unwrap();
    assert_eq!(run(state.path(), &["init", project]).status, 0);
    assert_eq!(run(state.path(), &["--project", project, "subject", "add", "Zelda"]).status, 0);
    let queued = ["--project", project, "run", "zelda", "--subject-block", "a violinist", "--steps", "2", "--wait"];
    let made = run(state.path(), &queued);
    assert_eq!(made.status, 0, "{}", made.stderr);
    // Errors name paths and people; their log lines must not.
    assert_eq!(run(state.path(), &["--project", project, "show", "zelda-0042"]).status, 1);
    assert_eq!(run(state.path(), &["--project", "/nowhere/portraits-of-zelda", "runs"]).status, 1);
    let log = text(state.path());
    assert!(log.contains("start") && log.contains("failed status=1"), "{log}");
    for secret in ["elda", "violinist", "/tmp", "nowhere", "portraits"] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}

#[test]
fn control_characters_never_reach_it() {
    let state = tempfile::tempdir().unwrap();
    let ran = run(state.path(), &["--log", "debug", "--project", "a\u{1b}]0;b\u{7}\u{9b}\nc", "runs"]);
    assert_eq!(ran.status, 1);
    let log = text(state.path());
    assert!(log.contains("]0;b"), "{log}");
    assert!(!log.chars().any(|c| c.is_control() && c != '\n'), "{log:?}");
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("pentimento"), "a file where the folder should be").unwrap();
    let ran = run(state.path(), &["doctor", "--json"]);
    let log = &ran.json()["log"];
    assert_eq!((log["ok"].as_bool(), ran.stderr.as_str()), (Some(false), ""));
    assert!(log["found"].as_str().unwrap().starts_with("cannot write "), "{log}");
    assert!(log["advice"].as_str().unwrap().contains("XDG_STATE_HOME"), "{log}");
}

#[test]
fn nothing_of_it_is_on_the_screen() {
    let state = tempfile::tempdir().unwrap();
    let quiet = run(state.path(), &["--log", "off", "config"]);
    let loud = run(state.path(), &["--log", "trace", "config"]);
    assert_eq!((quiet.status, loud.status, loud.stderr.as_str()), (0, 0, ""));
    assert_eq!(quiet.stdout.replace("off (flag", "trace (flag"), loud.stdout);
}
