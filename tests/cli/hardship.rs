//! Faults of real machines: concurrent programs, a full disk, read-only files, damaged files.
//!
//! - `workers`: several processes on one queue, one of them suspended
//! - `full_disk`: no space left, before and during a run
//! - `locked`: files and folders without write permission
//! - `damage`: damaged databases, logs and pictures
//! - `copying`: a backup while a worker runs
//! - `mounts`: small and read-only file systems, without root

mod copying;
mod damage;
mod full_disk;
mod locked;
mod mounts;
mod workers;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::project::Project;
use crate::support::Ran;

/// The number of runs in [`queued`], each with two pictures and enough steps to be interrupted.
const RUNS: usize = 2;
const STEPS: &str = "40";

fn queue(project: &Project) {
    for run in 0..RUNS {
        project.queue(&seeds(run), STEPS);
    }
}

fn seeds(run: usize) -> String {
    format!("{}x2", 10 * run)
}

fn queued() -> Project {
    let project = Project::ready();
    queue(&project);
    project
}

/// The pictures of that queue from a single worker without faults.
fn undisturbed() -> &'static BTreeMap<String, Vec<u8>> {
    static PICTURES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    PICTURES.get_or_init(|| {
        if let Some(folder) = std::env::var_os(mounts::UNDISTURBED) {
            let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            return files.map(|path| (name(&path), fs::read(path).unwrap())).collect();
        }
        let project = queued();
        assert!(project.start_worker(&[]).wait().unwrap().success());
        let pictures = project.pictures();
        assert_eq!(pictures.len(), 2 * RUNS);
        pictures
    })
}

/// Asserts that the project verifies and holds exactly the pictures of [`undisturbed`].
#[track_caller]
fn as_if_undisturbed(project: &Project) {
    let pictures = project.pictures();
    let names = |pictures: &BTreeMap<String, Vec<u8>>| pictures.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&pictures), names(undisturbed()));
    assert!(pictures == *undisturbed(), "the pictures differ");
    project.done(&["verify"]);
}

/// A running program and the file with its stderr.
struct Working {
    child: Child,
    stderr: PathBuf,
}

impl Working {
    /// `log` is the name of the stderr file, beside the project.
    fn start(project: &Project, log: &str, words: &[&str]) -> Self {
        let stderr = project.file(log);
        let file = File::create(&stderr).unwrap();
        let child = project.command(words).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, stderr }
    }

    /// Starts a worker that exits when the queue is empty, with a lease in seconds.
    fn worker(project: &Project, log: &str, lease: &str) -> Self {
        Self::start(project, log, &["worker", "--until-empty", "--device", "cpu", "--lease", lease])
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until its stderr contains these words.
    #[track_caller]
    fn wait_to_hear(&self, words: &str) {
        wait_until(words, || self.said().contains(words));
    }

    /// Waits until it exits. Returns its status and stderr.
    fn end(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.said())
    }
}

/// Kills the program if a test fails.
impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits up to a minute.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "not in a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The hashes of all files in a folder. The files that SQLite keeps only while a database is open do not count if they
/// are empty.
fn contents(folder: &Path) -> BTreeMap<PathBuf, blake3::Hash> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(contents(&path));
            continue;
        }
        let passing = name.ends_with("-shm") || (name.ends_with("-wal") && path.metadata().unwrap().len() == 0);
        if !passing {
            // Root without its capabilities cannot read files that the test has locked.
            let bytes = fs::read(&path).unwrap_or_default();
            found.insert(path, blake3::hash(&bytes));
        }
    }
    found
}

/// Asserts that a command failed with one error that contains these words; stdout does not matter.
#[track_caller]
fn fails(ran: &Ran, words: &[&str]) {
    Ran { status: ran.status, stdout: String::new(), stderr: ran.stderr.clone() }.refused(1, words);
}
