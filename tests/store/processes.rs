//! Several processes on one project, and killed processes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use pentimento::store::Store;
use pentimento::store::queue::{Finish, Next, ResumePoint};
use pentimento::store::runs::NewRun;
use pentimento::studio::state::RunState;

use crate::project::*;

const PROJECT: &str = "PENTIMENTO_TEST_PROJECT";

/// Starts a worker process: this test program, running one test.
fn worker(project: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::as_a_worker", "--ignored", "--nocapture"])
        .env(PROJECT, project)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the worker process of the other tests"]
fn as_a_worker() {
    let Some(project) = std::env::var_os(PROJECT).map(PathBuf::from) else { return };
    let store = Store::open(&project).unwrap();
    let owner = format!("worker {}", std::process::id());
    loop {
        let claimed = match store.claim(&owner, Duration::from_millis(60), Timestamp::now()).unwrap() {
            Next::Run(claimed) => claimed,
            Next::Paused(pause) => panic!("paused: {pause}"),
            Next::Empty if store.reader().unwrap().queue(1).unwrap().is_empty() => return,
            Next::Empty => {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
        };
        // If this worker is too slow, another one claims the run, and writing fails.
        let _ = (|| {
            for &seed in claimed.run.seeds.as_slice().iter().filter(|seed| !claimed.done.contains(seed)) {
                let point = ResumePoint { step: 1, data: seed.to_le_bytes().to_vec() };
                store.save_resume_point(&claimed.claim, &point, Timestamp::now())?;
                std::thread::sleep(Duration::from_millis(2));
                store.add_output(&claimed.claim, &output(&claimed.claim, seed), Timestamp::now())?;
            }
            store.complete(&claimed.claim, &Finish::default(), Timestamp::now())
        })();
    }
}

fn assert_done_once(project: &Project, runs: usize, seeds: &[u64]) {
    let reader = project.reader();
    let lines = reader.newest_runs(1000).unwrap();
    assert_eq!(lines.len(), runs);
    for line in lines {
        assert_eq!(line.run.state, RunState::Done, "{}: {:?}", line.run.task, line.run.error);
        let mut made: HashMap<u64, usize> = HashMap::new();
        for output in reader.outputs(line.run.id).unwrap() {
            *made.entry(output.seed).or_default() += 1;
            let picture = reader.blobs().read(&output.picture.blob).unwrap();
            assert_eq!(picture, format!("picture of {} {}", line.run.task, output.seed).as_bytes());
        }
        assert_eq!(made, seeds.iter().map(|&seed| (seed, 1)).collect());
    }
    project.assert_verified();
}

fn enqueue(project: &Project, count: usize) {
    for _ in 0..count {
        let new = NewRun { attempts: Some(100), ..NewRun::new(project.ada, recipe(), seeds("1,2,3")) };
        project.store.add_run(&new, at(0)).unwrap();
    }
}

#[test]
fn two_processes_do_each_run_once() {
    let project = Project::new();
    enqueue(&project, 30);
    let workers = [worker(&project.path), worker(&project.path)];
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    assert_done_once(&project, 30, &[1, 2, 3]);
}

#[test]
fn killed_workers_lose_nothing() {
    let project = Project::new();
    enqueue(&project, 12);
    // Pseudo-random delays, the same in each test run.
    let mut delay = 7u64;
    for _ in 0..25 {
        let mut worker = worker(&project.path);
        delay = delay * 37 % 101;
        std::thread::sleep(Duration::from_millis(8 + delay));
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    assert!(worker(&project.path).wait().unwrap().success());
    assert_done_once(&project, 12, &[1, 2, 3]);
    project.store.collect_leftovers().unwrap();
}
