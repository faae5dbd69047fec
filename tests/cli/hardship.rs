//! What real machines do to a project: several programs at once, a full disk, files that cannot be written, files that
//! are not what they were.
//!
//! - `workers`: several processes on one queue, one of them asleep
//! - `full_disk`: no room left, before a run and in the middle of one
//! - `locked`: files and folders that are there but may not be written
//! - `damage`: databases, logs and pictures that are not what they should be
//! - `copying`: a backup while a worker works
//! - `mounts`: a small disk, or one that is read-only, without being root

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

/// As many runs wait in the queue of [`queued`], of two pictures each, long enough to be met in the middle.
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

/// The pictures that one worker makes of that queue when nothing happens to it.
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

/// That the project is whole, and holds what it would hold had nothing happened, once.
#[track_caller]
fn as_if_undisturbed(project: &Project) {
    let pictures = project.pictures();
    let names = |pictures: &BTreeMap<String, Vec<u8>>| pictures.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&pictures), names(undisturbed()));
    assert!(pictures == *undisturbed(), "the pictures differ");
    project.done(&["verify"]);
}

/// A program at work, and the file that its stderr goes to.
struct Working {
    child: Child,
    stderr: PathBuf,
}

impl Working {
    /// `log` names the file beside the project.
    fn start(project: &Project, log: &str, words: &[&str]) -> Self {
        let stderr = project.file(log);
        let file = File::create(&stderr).unwrap();
        let child = project.command(words).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, stderr }
    }

    /// A worker until the queue is empty. When it dies another may take over after so many seconds, and another waits
    /// no longer than that.
    fn worker(project: &Project, log: &str, lease: &str) -> Self {
        Self::start(project, log, &["worker", "--until-empty", "--device", "cpu", "--lease", lease])
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until it has said these words.
    #[track_caller]
    fn wait_to_hear(&self, words: &str) {
        wait_until(words, || self.said().contains(words));
    }

    /// Waits for its end; gives its status and what it said.
    fn end(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.said())
    }
}

/// A test that fails leaves nobody at work behind.
impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits at most a minute.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "not in a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The files below a folder by their names, with the hashes of what is in them; without what SQLite keeps beside a
/// database only while it is open, if it is empty.
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
            // Root without its powers may not read what the test has locked.
            let bytes = fs::read(&path).unwrap_or_default();
            found.insert(path, blake3::hash(&bytes));
        }
    }
    found
}

/// That a command failed in one sentence with these words, whatever it had printed before.
#[track_caller]
fn fails(ran: &Ran, words: &[&str]) {
    Ran { status: ran.status, stdout: String::new(), stderr: ran.stderr.clone() }.refused(1, words);
}
