//! Several processes on one queue.

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
