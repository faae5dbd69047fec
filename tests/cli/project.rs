//! A project from an empty folder to pictures: the loop, the rules, killed workers and signals.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, Ran, pentimento};

/// A project in a folder of its own.
pub struct Project {
    pub folder: TempDir,
}

impl Project {
    /// An empty project.
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// An empty project in this folder.
    pub fn empty_in(place: &Path) -> Self {
        let project = Self { folder: tempfile::tempdir_in(place).unwrap() };
        project.done(&["init"]);
        project
    }

    /// A project with the subject `ada` and one candidate reference.
    pub fn new() -> Self {
        let project = Self::empty();
        project.add_ada();
        project
    }

    /// The same with the reference approved.
    pub fn ready() -> Self {
        Self::ready_in(&std::env::temp_dir())
    }

    pub fn ready_in(place: &Path) -> Self {
        let project = Self::empty_in(place);
        project.add_ada();
        project.done(&["ref", "approve", "ada-r1"]);
        project
    }

    fn add_ada(&self) {
        self.done(&["subject", "add", "Ada"]);
        self.add_reference();
    }

    fn add_reference(&self) -> Ran {
        let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mini/subject/reference.png");
        self.done(&[
            "ref",
            "add",
            "ada",
            picture.to_str().unwrap(),
            "--rights",
            "synthetic",
            "--statement",
            "drawn by a program",
        ])
    }

    /// A file beside the project.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = pentimento();
        command.arg("--project").arg(self.path()).args(words).env("HOME", self.folder.path());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        support::run(&mut self.command(words))
    }

    #[track_caller]
    pub fn done(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
        ran
    }

    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Value {
        self.run(&[words, &["--json"]].concat()).json()
    }

    /// Queues a run and returns its name.
    pub fn queue(&self, seeds: &str, steps: &str) -> String {
        let words = ["run", "ada", "--subject-block", "portrait of a calm person", "--seeds", seeds, "--steps", steps];
        self.json(&words)["task"].as_str().unwrap().to_owned()
    }

    /// The files of all outputs, by output name. Every run must be done.
    pub fn pictures(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for run in self.json(&["runs"])["runs"].as_array().unwrap() {
            assert_eq!(run["state"], "done", "{run}");
            for output in self.json(&["show", run["task"].as_str().unwrap()])["outputs"].as_array().unwrap() {
                let bytes = fs::read(output["path"].as_str().unwrap()).unwrap();
                assert_eq!(blake3::hash(&bytes).to_hex().as_str(), output["hash"].as_str().unwrap());
                let twice = found.insert(output["output"].as_str().unwrap().to_owned(), bytes);
                assert!(twice.is_none(), "{output}");
            }
        }
        found
    }

    pub fn start_worker(&self, more: &[&str]) -> Child {
        let words = [&["worker", "--until-empty", "--lease", "1", "--device", "cpu"], more].concat();
        self.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Waits until the first run shows progress.
    pub fn wait_for_a_step(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let queue = self.json(&["queue", "list"]);
            if queue["runs"].as_array().unwrap().iter().any(|run| run["step"].as_u64() > Some(0)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("no step was made in a minute");
    }
}

#[test]
fn from_an_empty_folder_to_a_picture() {
    let project = Project::ready();
    let made = project.json(&[
        "run",
        "ada",
        "--subject-block",
        "portrait of a smiling person on a beach",
        "--camera",
        "close-up",
        "--seeds",
        "7x2",
        "--steps",
        "4",
        "--wait",
    ]);
    assert_eq!((made["task"].as_str(), made["state"].as_str()), (Some("ada-0001"), Some("done")));
    assert_eq!(made["reference"], "ada-r1");
    let shown = project.json(&["show", "ada-0001"]);
    let outputs = shown["outputs"].as_array().unwrap();
    assert_eq!(outputs.iter().map(|output| output["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [7, 8]);

    // `generate` makes the same pixels from the same prompt; only the metadata differ.
    let (one, other) = (project.folder.path().join("one.png"), project.folder.path().join("other.png"));
    project.done(&["show", "ada-0001:7", "--output", one.to_str().unwrap()]);
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mini/subject/reference.png");
    let prompt = shown["prompt"]["assembled"].as_str().unwrap();
    project.done(&[
        "generate",
        "--prompt",
        prompt,
        "--reference",
        reference.to_str().unwrap(),
        "--seed",
        "7",
        "--steps",
        "4",
        "--device",
        "cpu",
        "--output",
        other.to_str().unwrap(),
    ]);
    let pixels = |path: &Path| image::open(path).unwrap().to_rgb8();
    assert!(pixels(&one) == pixels(&other));
    let texts = String::from_utf8_lossy(&fs::read(&one).unwrap()).into_owned();
    assert!(texts.contains("ada-0001") && texts.contains("trainedAlgorithmicMedia"));

    project.done(&["verify"]);
    project.done(&["backup", project.folder.path().join("copy").to_str().unwrap()]);
    assert!(project.folder.path().join("copy/project.db").is_file());
    assert_eq!(project.json(&["runs", "--search", "beach"])["hits"][0]["name"], "ada-0001");
}

#[test]
fn rules_refuse_with_their_names() {
    let project = Project::new();
    let run = ["run", "ada", "--subject-block", "portrait of a person", "--steps", "4"];
    project.run(&run).refused(3, &["unapproved-reference"]);
    project.run(&[&run[..], &["--reference", "ada-r1"]].concat()).refused(3, &["unapproved-reference"]);
    project.done(&["ref", "approve", "ada-r1"]);
    project.done(&run);
    let child = ["run", "ada", "--parent", "ada-0001", "--set", "guidance=6", "--set", "steps=5"];
    project.run(&child).refused(3, &["two-variables"]);
    project.done(&[&child[..], &["--debug", "looking for the cause of the stripes"]].concat());
    let one = project.json(&["run", "ada", "--parent", "ada-0001", "--set", "guidance=6"]);
    assert_eq!(one["delta"].as_array().unwrap().len(), 1, "{one}");
}

#[test]
fn handles_are_made_from_visible_characters() {
    let project = Project::new();
    project.done(&["subject", "add", "Ben\u{202e}ny \u{1b}[31mRed"]);
    let subjects = project.json(&["subject", "list"]).to_string();
    assert!(subjects.contains("benny") && !subjects.contains('\u{202e}') && !subjects.contains("u001b"), "{subjects}");
}

#[test]
fn a_missing_project_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = pentimento();
    command.args(["runs"]).current_dir(folder.path()).env("HOME", folder.path()).env_remove("PENTIMENTO_PROJECT");
    support::run(&mut command).refused(1, &["no project in", "pentimento init"]);
}

/// Kills workers at random moments; the queue still gets done.
#[test]
fn kills_lose_nothing_and_make_nothing_twice() {
    let kills = std::env::var("PENTIMENTO_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12_u64);
    // Enough work for the last kill, with seeds long enough for checkpoints.
    let (runs, seeds) = ((kills / 2).clamp(6, 20), (kills / 40).max(2));
    let queue = |project: &Project| (0..runs).for_each(|run| drop(project.queue(&format!("{run}x{seeds}"), "60")));
    let (killed, undisturbed) = (Project::ready(), Project::ready());
    queue(&killed);
    queue(&undisturbed);
    // A fixed sequence of delays (Knuth's constants), from before the model loads to the middle of a run.
    let mut random = 42_u64;
    for _ in 0..kills {
        let mut worker = killed.start_worker(&[]);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(1200 + (random >> 33) % 2000));
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    assert!(killed.start_worker(&[]).wait().unwrap().success());
    assert!(undisturbed.start_worker(&[]).wait().unwrap().success());
    let history = killed.json(&["runs"]);
    let begun: u64 = history["runs"].as_array().unwrap().iter().map(|run| run["attempt"].as_u64().unwrap()).sum();
    assert!(begun > runs, "no kill hit a run under way");
    let (after_kills, pictures) = (killed.pictures(), undisturbed.pictures());
    assert_eq!(pictures.len() as u64, runs * seeds);
    assert!(after_kills == pictures, "the pictures differ");
    killed.done(&["verify"]);
}

#[cfg(unix)]
mod signals {
    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    fn send(worker: &Child, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(worker.id()).unwrap()).unwrap(), signal).unwrap();
    }

    #[test]
    fn a_terminated_worker_requeues_its_run() {
        let (stopped, undisturbed) = (Project::ready(), Project::ready());
        for project in [&stopped, &undisturbed] {
            project.queue("3x2", "40");
        }
        let mut worker = stopped.start_worker(&[]);
        stopped.wait_for_a_step();
        send(&worker, Signal::TERM);
        assert_eq!(worker.wait().unwrap().code(), Some(143));
        let state = stopped.json(&["show", "ada-0001"])["state"].as_str().unwrap().to_owned();
        assert!(["interrupted", "queued"].contains(&state.as_str()), "{state}");
        assert!(stopped.start_worker(&[]).wait().unwrap().success());
        assert!(undisturbed.start_worker(&[]).wait().unwrap().success());
        assert!(stopped.pictures() == undisturbed.pictures());
    }

    #[test]
    fn a_hang_up_finishes_the_run() {
        let project = Project::ready();
        project.queue("3x1", "40");
        project.queue("4x1", "4");
        let mut worker = project.start_worker(&["--drain-on-hangup", "false"]);
        project.wait_for_a_step();
        send(&worker, Signal::HUP);
        assert!(worker.wait().unwrap().success());
        let state = |run: &str| project.json(&["show", run])["state"].as_str().unwrap().to_owned();
        assert_eq!((state("ada-0001").as_str(), state("ada-0002").as_str()), ("done", "queued"));
    }

    #[test]
    fn a_run_is_cancelled_from_another_process() {
        let project = Project::ready();
        project.queue("3x1", "400");
        let mut worker = project.start_worker(&[]);
        project.wait_for_a_step();
        project.done(&["queue", "cancel", "ada-0001"]);
        assert!(worker.wait().unwrap().success());
        assert_eq!(project.json(&["show", "ada-0001"])["state"], "cancelled");
    }
}
