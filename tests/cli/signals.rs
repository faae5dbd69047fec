//! Signals and closed pipes.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pentimento::store::Store;
use pentimento::store::blobs::Content;
use pentimento::store::references::NewReference;
use pentimento::studio::consent::{ConsentKind, Grant};
use pentimento::studio::reference::Gate;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Bench, pentimento};

/// Starts a generation that takes a minute or more.
fn long(bench: &Bench) -> Child {
    let mut command = pentimento();
    command
        .args(["generate", "--prompt", "x", "--steps", "900", "--width", "256", "--height", "256", "--model"])
        .arg(bench.path("model"))
        .arg("--output")
        .arg(bench.path("out.png"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_signal_stops_a_generation_without_leftovers() {
    for signal in [Signal::INT, Signal::TERM] {
        let bench = Bench::new();
        let mut child = long(&bench);
        // Wait until it is in the middle.
        std::thread::sleep(Duration::from_millis(1500));
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = ends_within(&mut child, Duration::from_secs(60));
        if !ended {
            child.kill().unwrap();
        }
        assert!(ended, "it continued after the signal");
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("stopped"), "{stderr}");
        assert!(bench.nothing_was_written());
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let bench = Bench::new();
    let mut json = bench.generate();
    json.arg("--json");
    let mut doctor = pentimento();
    doctor.arg("doctor");
    let mut completions = pentimento();
    completions.args(["completions", "bash"]);
    let mut help = pentimento();
    help.arg("--help");
    let mut again = bench.generate();
    again.arg("--force");
    for mut command in [json, again, doctor, completions, help] {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

/// A project with so many pictures that copying them takes a while.
fn large_project(folder: &Path) {
    let store = Store::create(folder).unwrap();
    let now = Timestamp::now();
    let ada = store.add_subject(&"ada".parse().unwrap(), "Ada", "", now).unwrap();
    store.add_consent(ada, &Grant::new(ConsentKind::Own, "mine", now, None).unwrap()).unwrap();
    for number in 0..120u32 {
        let noise =
            |x: u32, y: u32| image::Rgb([0, 8, 16].map(|shift| ((x * 7919 + y * 104_729 + number) >> shift) as u8));
        let picture = image::RgbImage::from_fn(256, 256, noise);
        let bytes = pentimento::imaging::plain_png(&picture).unwrap();
        let new = NewReference {
            consent: None,
            picture: Content { bytes, media_type: "image/png" },
            thumbnail: None,
            width: 256,
            height: 256,
            label: String::new(),
            gate: Gate::Pass,
            report: None,
        };
        store.add_reference(ada, &new, now).unwrap();
    }
}

/// The files below a folder whose names contain a word, or all with an empty word.
fn named(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(named(&path, word));
        }
        if path.file_name().unwrap().to_string_lossy().contains(word) {
            found.push(path);
        }
    }
    found
}

/// Starts a command and sends it a signal once a file appears whose name contains `word`. Returns its exit status.
fn interrupted(mut command: Command, folder: &Path, word: &str, signal: Signal) -> Option<i32> {
    let mut child = command.spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if !named(folder, word).is_empty() {
            kill_process(Pid::from_child(&child), signal).unwrap();
            break;
        }
    }
    child.wait().unwrap().code()
}

#[test]
fn a_signal_takes_back_what_a_copy_has_written() {
    let bench = tempfile::tempdir().unwrap();
    let (from, bundle) = (bench.path().join("from"), bench.path().join("ada.zip"));
    large_project(&from);
    let command = |project: &Path, words: &[&str]| {
        let mut command = pentimento();
        command.arg("--project").arg(project).args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let done = command(&from, &["export", "--output"]).arg(&bundle).status().unwrap();
    assert!(done.success());
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::KILL, -1)] {
        for (words, word) in [
            (["import", "ada.zip"].as_slice(), ".importing-"),
            (&["export", "--force", "--output", "new.zip"], ".pentimento-"),
            (&["backup", "copy"], ".pentimento-backup-"),
        ] {
            // A fast disk may finish before the signal arrives.
            let stopped = (0..5).any(|_| {
                for name in ["to", "copy"] {
                    let _ = fs::remove_dir_all(bench.path().join(name));
                }
                let _ = fs::remove_file(bench.path().join("new.zip"));
                drop(Store::create(&bench.path().join("to")).unwrap());
                let project = if words[0] == "import" { bench.path().join("to") } else { from.clone() };
                let mut command = command(&project, words);
                command.current_dir(bench.path());
                let ended = interrupted(command, bench.path(), word, signal);
                assert!([Some(0), Some(status), None].contains(&ended), "{words:?}: {ended:?}");
                ended != Some(0)
            });
            assert!(stopped, "{words:?} was never stopped");
            if signal == Signal::KILL {
                // Nothing could be taken back. The next command of the kind does it.
                let project = if words[0] == "import" { bench.path().join("to") } else { from.clone() };
                let words = if words[0] == "import" { &["subject", "add", "Bo"] } else { words };
                assert!(command(&project, words).current_dir(bench.path()).status().unwrap().success());
                assert_eq!(named(bench.path(), word), [] as [PathBuf; 0], "{words:?}");
            } else {
                assert!(!bench.path().join("copy").exists() && !bench.path().join("new.zip").exists());
                assert_eq!(named(bench.path(), ".pentimento-"), [] as [PathBuf; 0], "{words:?}");
            }
            let blobs = named(&bench.path().join("to/blobs"), "");
            assert!(blobs.iter().all(|path| path.is_dir()), "{words:?}: {blobs:?}");
        }
    }
}
