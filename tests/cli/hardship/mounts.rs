//! File systems of one's own, without being root: a test runs itself again in a namespace where it may mount.
//!
//! Not every machine allows that. A test that could not be run says so on stderr, past the capture of its output, with a
//! line that begins with SKIPPED.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// Tells the inner test where its file system is.
pub const PLACE: &str = "PENTIMENTO_TEST_PLACE";
/// Tells it where the pictures are that one worker makes undisturbed; they need not be made once more.
pub const UNDISTURBED: &str = "PENTIMENTO_TEST_UNDISTURBED";

/// Runs an ignored test of this program in a namespace of its own, after a shell script that mounts; the script finds
/// the folder in `$1`. Not run, and that said loudly, where the machine does not allow it.
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
    // A name that fits no test runs none, and succeeds.
    assert!(said.contains("1 passed"), "{said}");
}

/// Says that a test was not run, whatever captures its output.
pub fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// Why nothing can be mounted here, if so.
fn allowed() -> Result<(), String> {
    let place = tempfile::tempdir().unwrap();
    let tried = in_a_namespace("mount -t tmpfs -o size=1m tmpfs \"$1\"").arg(place.path()).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("this machine lets nobody mount in a namespace: {}", text(&output).trim())),
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
