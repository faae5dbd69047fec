//! Several processes on one queue.

use rustix::process::{Pid, Signal, kill_process};

use super::*;

fn send(working: &Working, signal: Signal) {
    kill_process(Pid::from_child(&working.child), signal).unwrap();
}

/// How often a run was begun, and how often some program said that it was done.
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

/// One of them has the processor, the other waits for it, and takes it over when the first is sent away.
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
    assert!(first.contains("goes on from there later"), "{first}");
    each_run_is_done_once(&project, &[&first, &second], RUNS as u64 + 1);
    as_if_undisturbed(&project);
}

/// A machine that sleeps in the middle of a run, and wakes up when another has the run: two believe that it is theirs.
#[test]
fn a_worker_that_slept_too_long_changes_nothing() {
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

/// Stops a worker where it does not hold the database: all programs of a machine sleep at once, or one is swapped out,
/// but here the others go on and would have to wait for it.
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

/// Those who wait for their own runs queue them while others are made, and take the processor where nobody has it.
#[test]
fn a_worker_and_those_who_wait_share_a_queue() {
    let project = Project::ready();
    let mut programs = vec![Working::start(&project, "worker", &["worker", "--until-empty", "--device", "cpu"])];
    for run in 0..RUNS {
        let (seeds, name) = (seeds(run), format!("ada-{:04}", run + 1));
        let prompt = "portrait of a calm person";
        let words = ["run", "ada", "--subject-block", prompt, "--seeds", &seeds, "--steps", STEPS, "--wait"];
        programs.push(Working::start(&project, &name, &words));
        // In this order, so that their names are those of the undisturbed queue.
        wait_until(&name, || project.run(&["show", &name]).status == 0);
    }
    let ended: Vec<_> = programs.into_iter().map(Working::end).collect();
    assert!(ended.iter().all(|(status, _)| *status == 0), "{ended:?}");
    let said: Vec<&str> = ended.iter().map(|(_, said)| said.as_str()).collect();
    each_run_is_done_once(&project, &said, RUNS as u64);
    as_if_undisturbed(&project);
}
