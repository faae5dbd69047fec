//! Several processes on one queue.

use std::sync::Arc;

use pentimento::store::Store;
use pentimento::worker::{Options, Stop, Until, Worker, WorkerState};
use rustix::process::{Pid, Signal, kill_process};

use super::*;

fn send(working: &Working, signal: Signal) {
    kill_process(Pid::from_child(&working.child), signal).unwrap();
}

/// Asserts how often runs were started, and that each was reported as done once.
fn each_run_is_done_once(project: &Project, said: &[&str], begun: u64) {
    let history = project.json(&["runs"]);
    let runs = history["runs"].as_array().unwrap();
    for run in runs {
        let done = format!("{}: done", run["task"].as_str().unwrap());
        let times: usize = said.iter().map(|said| said.matches(&done).count()).sum();
        assert_eq!(times, 1, "{done}\n{}", said.join("\n--\n"));
    }
    let attempts: u64 = runs.iter().map(|run| run["attempt"].as_u64().unwrap()).sum();
    assert_eq!(attempts, begun, "{}", said.join("\n--\n"));
}

/// One worker holds the device. The other waits and takes over when the first is stopped.
#[test]
fn two_workers_on_one_queue_do_each_run_once() {
    let project = queued();
    let workers = [Working::worker(&project, "one", "30"), Working::worker(&project, "other", "30")];
    project.wait_for_a_step();
    let (working, waiting): (Vec<_>, Vec<_>) =
        workers.into_iter().partition(|worker| worker.said().contains("started"));
    let [working] = working.try_into().map_err(|_| "both work, or neither").unwrap();
    let [waiting] = waiting.try_into().map_err(|_| "both work, or neither").unwrap();
    waiting.wait_to_hear("waiting for cpu");
    send(&working, Signal::TERM);
    let (status, first) = working.end();
    assert_eq!(status, 143, "{first}");
    let (status, second) = waiting.end();
    assert_eq!(status, 0, "{second}");
    assert!(first.contains("resumes from its last checkpoint"), "{first}");
    each_run_is_done_once(&project, &[&first, &second], RUNS as u64 + 1);
    as_if_undisturbed(&project);
}

/// The waiting worker waits longer than a lease, without limit, and says what it waits for.
#[test]
fn a_worker_waits_for_the_device_as_long_as_another_has_it() {
    let project = Project::ready();
    let first = Working::start(&project, "first", &["worker", "--lease", "1", "--device", "cpu"]);
    let activities = || -> Vec<String> {
        let queue = project.json(&["queue", "list"]);
        let workers = queue["workers"].as_array().unwrap().iter();
        workers.map(|worker| worker["activity"].as_str().unwrap().to_owned()).collect()
    };
    wait_until("an idle worker", || activities() == ["idle"]);
    let second = Working::start(&project, "second", &["worker", "--lease", "1", "--device", "cpu"]);
    second.wait_to_hear("waiting for cpu");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(activities(), ["idle", "waiting-for-device"]);
    let listed = project.done(&["queue", "list"]).stdout;
    assert!(listed.contains(&format!("worker {} on", second.child.id())), "{listed}");
    assert!(listed.contains("waiting for the device: worker"), "{listed}");
    assert!(project.done(&["doctor"]).stdout.contains("waiting for the device"));
    send(&first, Signal::TERM);
    assert_eq!(first.end().0, 143);
    project.queue("1", "2");
    second.wait_to_hear("ada-0001: done");
    send(&second, Signal::TERM);
    assert_eq!(second.end().0, 143);
    assert_eq!(activities(), [""; 0]);
}

/// The lease lasts an hour, but the process is gone.
#[test]
fn a_killed_worker_is_replaced_at_once() {
    let project = Project::ready();
    project.queue("1", "200");
    let mut killed = Working::start(&project, "killed", &["worker", "--lease", "3600", "--device", "cpu"]);
    project.wait_for_a_step();
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let began = Instant::now();
    let heir = Working::start(&project, "heir", &["worker", "--lease", "3600", "--device", "cpu"]);
    heir.wait_to_hear("ada-0001: started");
    assert!(began.elapsed() < Duration::from_secs(20));
    // The first step was saved, so the second worker goes on.
    assert!(project.json(&["queue", "list"])["runs"][0]["step"].as_u64() > Some(0));
    send(&heir, Signal::TERM);
    assert_eq!(heir.end().0, 143);
}

/// Files of pictures can be neither read nor written: a file stands in the place of each of their folders.
struct FailingDisk(PathBuf);

impl FailingDisk {
    fn new(project: &Project) -> Self {
        let disk = Self(project.path().join("blobs"));
        for (folder, away) in disk.places() {
            let _ = fs::rename(&folder, &away);
            fs::write(&folder, "not a folder").unwrap();
        }
        disk
    }

    fn mend(self) {
        for (folder, away) in self.places() {
            fs::remove_file(&folder).unwrap();
            let _ = fs::rename(&away, &folder);
        }
    }

    fn places(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        (0..=255_u8).map(|byte| (self.0.join(format!("{byte:02x}")), self.0.join(format!("{byte:02x}-away"))))
    }
}

/// Three runs; the first one has no reference, so that it fails when its picture is written.
fn three_queued() -> Project {
    let project = Project::ready();
    project.done(&["run", "ada", "--subject-block", "a person", "--reference", "none", "--seeds", "1", "--steps", "2"]);
    project.queue("2", "2");
    project.queue("3", "2");
    project
}

#[test]
fn a_failing_disk_stops_the_worker_and_not_the_runs() {
    let project = three_queued();
    let store = Arc::new(Store::open(&project.path()).unwrap());
    let disk = FailingDisk::new(&project);
    let ended = Worker::start(store, Options { until: Until::QueueEmpty, ..Options::default() }).unwrap().join();
    assert!(ended.unwrap_err().to_string().contains("blobs"), "the message names the file");
    disk.mend();
    let queue = project.json(&["queue", "list"]);
    let runs = queue["runs"].as_array().unwrap();
    assert!(runs.len() == 3 && runs.iter().all(|run| run["state"] != "failed"), "{queue}");
    project.done(&["worker", "--until-empty", "--device", "cpu"]);
    assert_eq!(project.pictures().len(), 3);
}

/// The workbench's worker goes on when the disk works again.
#[test]
fn a_worker_that_restarts_goes_on_after_an_error() {
    let project = three_queued();
    let store = Arc::new(Store::open(&project.path()).unwrap());
    let disk = FailingDisk::new(&project);
    let worker = Worker::start(store, Options { restart: true, ..Options::default() }).unwrap();
    wait_until("the error", || matches!(worker.state(), WorkerState::Restarting(_)));
    disk.mend();
    let listed = project.done(&["queue", "list"]).stdout;
    assert!(listed.contains("restarting after an error: "), "{listed}");
    wait_until("the last run", || project.json(&["show", "ada-0003"])["state"] == "done");
    worker.stop(Stop::AfterStep);
    worker.join().unwrap();
}

/// A machine suspends during a run and wakes up when another worker has taken over the run.
#[test]
fn a_suspended_worker_changes_nothing() {
    let project = queued();
    let sleeper = Working::worker(&project, "sleeper", "2");
    project.wait_for_a_step();
    sleep_outside_a_write(&project, &sleeper);
    let heir = Working::worker(&project, "heir", "2");
    heir.wait_to_hear("started");
    send(&sleeper, Signal::CONT);
    let (status, slept) = sleeper.end();
    assert_eq!(status, 1, "{slept}");
    assert!(slept.contains("another worker took over") && !slept.contains(": done"), "{slept}");
    assert!(!slept.contains("panicked"), "{slept}");
    let (status, inherited) = heir.end();
    assert_eq!(status, 0, "{inherited}");
    each_run_is_done_once(&project, &[&slept, &inherited], RUNS as u64 + 1);
    as_if_undisturbed(&project);
}

/// Stops a worker while it does not hold the database lock; otherwise the other programs here would wait for it.
fn sleep_outside_a_write(project: &Project, worker: &Working) {
    loop {
        send(worker, Signal::STOP);
        let ran = project.run(&["queue", "resume"]);
        if ran.status == 0 {
            return;
        }
        assert!(ran.stderr.contains("another program has locked"), "{}", ran.stderr);
        send(worker, Signal::CONT);
        thread::sleep(Duration::from_millis(30));
    }
}

/// Processes with `run --wait` queue their runs while others run, and take the device when it is free.
#[test]
fn a_worker_and_waiting_commands_share_a_queue() {
    let project = Project::ready();
    let mut programs = vec![Working::start(&project, "worker", &["worker", "--until-empty", "--device", "cpu"])];
    for run in 0..RUNS {
        let (seeds, name) = (seeds(run), format!("ada-{:04}", run + 1));
        let prompt = "portrait of a calm person";
        let words = ["run", "ada", "--subject-block", prompt, "--seeds", &seeds, "--steps", STEPS, "--wait"];
        programs.push(Working::start(&project, &name, &words));
        // In this order, so that the run names match the undisturbed queue.
        wait_until(&name, || project.run(&["show", &name]).status == 0);
    }
    let ended: Vec<_> = programs.into_iter().map(Working::end).collect();
    assert!(ended.iter().all(|(status, _)| *status == 0), "{ended:?}");
    let said: Vec<&str> = ended.iter().map(|(_, said)| said.as_str()).collect();
    each_run_is_done_once(&project, &said, RUNS as u64);
    as_if_undisturbed(&project);
}
