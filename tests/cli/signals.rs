//! Signals and closed pipes.
#![cfg(unix)]

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

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
    for mut command in [json, bench.generate(), doctor, completions, help] {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}
