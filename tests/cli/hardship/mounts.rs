//! Mounts file systems without root: a test runs itself again in a namespace where it may mount.
//!
//! Not every machine allows that. A skipped test prints a line that starts with SKIPPED on stderr, which is not captured.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// The variable with the inner test's file system.
pub const PLACE: &str = "PENTIMENTO_TEST_PLACE";
/// The variable with the folder of the undisturbed pictures, which the inner test need not generate again.
pub const UNDISTURBED: &str = "PENTIMENTO_TEST_UNDISTURBED";

/// Runs an ignored test of this program in a new namespace, after a shell script that mounts into the folder `$1`.
/// Skipped with a message if the machine does not allow it.
pub fn run(inner: &str, place: &Path, script: &str) {
    if let Err(reason) = allowed() {
        skipped(inner, &reason);
        return;
    }
    let script = format!("set -e; {script}; shift; exec \"$@\"");
    let pictures = tempfile::tempdir().unwrap();
    for (name, bytes) in super::undisturbed() {
        fs::write(pictures.path().join(name), bytes).unwrap();
    }
    let output = in_a_namespace(&script)
        .arg(place)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", inner, "--ignored", "--nocapture"])
        .env(PLACE, place)
        .env(UNDISTURBED, pictures.path())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    // A filter that matches no test would also succeed.
    assert!(said.contains("1 passed"), "{said}");
}

/// Prints that a test was skipped, past the capture of its output.
pub fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// Why mounting is impossible here, or None.
fn allowed() -> Result<(), String> {
    let place = tempfile::tempdir().unwrap();
    let tried = in_a_namespace("mount -t tmpfs -o size=1m tmpfs \"$1\"").arg(place.path()).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("this machine does not allow mounts in a namespace: {}", text(&output).trim())),
        Err(error) => Err(format!("unshare cannot be started: {error}")),
    }
}

fn in_a_namespace(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
