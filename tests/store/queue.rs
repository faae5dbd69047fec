//! The queue: each run is done once, even if workers die.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use pentimento::store::queue::{Finish, Heartbeat, Next, ResumePoint};
use pentimento::store::runs::NewRun;
use pentimento::store::{Error, Store};
use pentimento::studio::ids::RunId;
use pentimento::studio::queue::PauseReason;
use pentimento::studio::recipe::ModelHashes;
use pentimento::studio::run::Timings;
use pentimento::studio::state::{Priority, RunState};
use pentimento::studio::worker::{Activity, Process, WorkerReport};

use crate::project::*;

fn state(project: &Project, run: RunId) -> RunState {
    project.reader().run_by_id(run).unwrap().state
}

#[test]
fn a_run_goes_from_queued_to_done() {
    let project = Project::new();
    let run = project.queued(recipe(), "7,18446744073709551615");
    let claimed = project.claim("w", 10).unwrap();
    assert_eq!((claimed.claim.run, claimed.claim.attempt, claimed.done.len()), (run, 1, 0));
    let beat = Heartbeat { step: 3, steps: 50, preview: Some(b"png".to_vec()) };
    assert!(!project.store.heartbeat(&claimed.claim, &beat, at(11)).unwrap().cancel_requested);
    let reader = project.reader();
    assert_eq!(reader.preview(run).unwrap(), Some((3, b"png".to_vec())));
    let progress = reader.run_by_id(run).unwrap().progress;
    assert_eq!((progress.step, progress.steps, progress.heartbeat), (3, 50, Some(at(11))));
    let hashes = ModelHashes { checkpoint: Some(blake3::hash(b"m")), ..Default::default() };
    project.store.set_model_hashes(&claimed.claim, &hashes).unwrap();

    let unfinished = project.store.complete(&claimed.claim, &Finish::default(), at(12)).unwrap_err();
    assert!(matches!(unfinished, Error::Unfinished { ref missing, .. } if *missing == [7, u64::MAX]), "{unfinished}");
    for seed in [7, u64::MAX] {
        project.store.add_output(&claimed.claim, &output(&claimed.claim, seed), at(12)).unwrap();
    }
    let timings = Timings { denoise_s: 1.5, ..Timings::default() };
    let finish = Finish { timings: timings.clone(), peak_memory: Some(1 << 33) };
    project.store.complete(&claimed.claim, &finish, at(13)).unwrap();

    let done = reader.run_by_id(run).unwrap();
    assert_eq!((done.state, done.timings, done.peak_memory), (RunState::Done, Some(timings), Some(1 << 33)));
    assert_eq!((done.started, done.finished, done.hashes), (Some(at(10)), Some(at(13)), hashes));
    assert_eq!(reader.preview(run).unwrap(), None);
    let outputs = reader.outputs(run).unwrap();
    assert_eq!(outputs.iter().map(|output| output.seed).collect::<Vec<_>>(), [7, u64::MAX]);
    assert_eq!(reader.blobs().read(&outputs[0].picture.blob).unwrap(), b"picture of ada-0001 7");
    assert!(project.claim("w", 14).is_none());
    project.assert_verified();
}

#[test]
fn a_seed_stored_twice_has_one_output() {
    let project = Project::new();
    project.queued(recipe(), "7");
    let claimed = project.claim("w", 10).unwrap();
    let first = project.store.add_output(&claimed.claim, &output(&claimed.claim, 7), at(11)).unwrap();
    let second = project.store.add_output(&claimed.claim, &output(&claimed.claim, 7), at(12)).unwrap();
    assert_eq!(first, second);
    let foreign = project.store.add_output(&claimed.claim, &output(&claimed.claim, 8), at(12)).unwrap_err();
    assert_eq!(foreign.to_string(), "seed 8 is not part of ada-0001: its output was not stored");
    let found = project.reader().output_with_key(&output(&claimed.claim, 7).key).unwrap().unwrap();
    assert_eq!(found.id, first);
}

#[test]
fn after_its_lease_expires_a_worker_cannot_write() {
    let project = Project::new();
    let run = project.queued(recipe(), "1,2");
    let old = project.claim("old", 10).unwrap();
    project.store.add_output(&old.claim, &output(&old.claim, 1), at(11)).unwrap();
    let point = ResumePoint { step: 4, data: vec![1, 2, 3] };
    project.store.save_resume_point(&old.claim, &point, at(11)).unwrap();
    assert!(project.claim("new", 39).is_none(), "the lease lasts 30 s");
    project.store.heartbeat(&old.claim, &Heartbeat::default(), at(39)).unwrap();
    assert!(project.claim("new", 68).is_none(), "the heartbeat renewed it");

    let new = project.claim("new", 69).unwrap();
    assert_eq!((new.claim.run, new.claim.attempt, new.done.as_slice()), (run, 2, [1].as_slice()));
    assert_eq!((new.resume.clone(), new.run.task.to_string().as_str()), (Some(point.clone()), "ada-0001"));
    let lost = |result: Result<(), Error>| assert!(matches!(result, Err(Error::LostLease { .. })), "{result:?}");
    lost(project.store.heartbeat(&old.claim, &Heartbeat::default(), at(70)).map(drop));
    let late = pentimento::store::outputs::NewOutput { picture: content("late"), ..output(&old.claim, 2) };
    lost(project.store.add_output(&old.claim, &late, at(70)).map(drop));
    lost(project.store.save_resume_point(&old.claim, &point, at(70)));
    lost(project.store.set_model_hashes(&old.claim, &ModelHashes::default()));
    lost(project.store.complete(&old.claim, &Finish::default(), at(70)));
    lost(project.store.fail(&old.claim, "late", at(70)));
    lost(project.store.cancelled(&old.claim, at(70)));
    lost(project.store.interrupt(&old.claim, at(70)));
    assert_eq!(state(&project, run), RunState::Running);
    assert!(project.store.blobs().read(&blake3::hash(b"late")).is_err(), "a rejected output leaves no blob");
    project.store.add_output(&new.claim, &output(&new.claim, 2), at(71)).unwrap();
    project.store.complete(&new.claim, &Finish::default(), at(72)).unwrap();
    assert_eq!(project.reader().outputs(run).unwrap().len(), 2);
    assert_eq!(project.store.verify().unwrap().orphans, [] as [std::path::PathBuf; 0]);
    project.assert_verified();
}

#[test]
fn an_old_attempt_of_the_same_worker_cannot_write() {
    let project = Project::new();
    project.queued(recipe(), "1");
    let old = project.claim("w", 0).unwrap();
    let new = project.claim("w", 100).unwrap();
    assert!(matches!(project.store.fail(&old.claim, "x", at(101)), Err(Error::LostLease { .. })));
    project.store.fail(&new.claim, "out of memory; use a smaller size", at(101)).unwrap();
    assert_eq!(project.reader().run_by_id(new.claim.run).unwrap().error.unwrap(), "out of memory; use a smaller size");
}

#[test]
fn attempts_without_progress_are_capped() {
    let project = Project::new();
    let new = NewRun { attempts: Some(3), ..NewRun::new(project.ada, recipe(), seeds("1,2")) };
    let run = project.store.add_run(&new, at(0)).unwrap();
    let claim = |second, attempt| {
        let claimed = project.claim("w", second).unwrap();
        assert_eq!(claimed.claim.attempt, attempt);
        claimed.claim
    };
    claim(100, 1);
    // An interruption does not use up an attempt, and progress restores all attempts.
    let stopped = claim(200, 2);
    project.store.interrupt(&stopped, at(201)).unwrap();
    let lucky = claim(202, 3);
    project.store.add_output(&lucky, &output(&lucky, 1), at(203)).unwrap();
    claim(300, 4);
    claim(400, 5);
    claim(500, 6);
    assert!(project.claim("w", 1000).is_none());
    let failed = project.reader().run_by_id(run).unwrap();
    assert_eq!(failed.state, RunState::Failed);
    assert!(failed.error.unwrap().contains("after 6 attempts"));
    project.store.requeue(run, at(1001)).unwrap();
    assert_eq!(project.claim("w", 1002).unwrap().done, [1]);
}

#[test]
fn an_interrupted_run_keeps_its_place() {
    let project = Project::new();
    let first = project.queued(recipe(), "1");
    let second = project.queued(recipe(), "2");
    let claimed = project.claim("w", 1).unwrap();
    project.store.interrupt(&claimed.claim, at(2)).unwrap();
    assert_eq!(state(&project, first), RunState::Interrupted);
    assert_eq!(project.store.release_expired(at(2)).unwrap(), (1, 0));
    assert_eq!(state(&project, first), RunState::Queued);
    assert_eq!(project.claim("w", 3).unwrap().claim.run, first);
    assert_eq!(project.claim("w", 3).unwrap().claim.run, second);
}

#[test]
fn order_is_by_priority_then_place_and_can_be_changed() {
    let project = Project::new();
    let [a, b, c, d] = ["1", "2", "3", "4"].map(|seed| project.queued(recipe(), seed));
    let high = NewRun { priority: Priority::High, ..NewRun::new(project.ada, recipe(), seeds("5")) };
    let high = project.store.add_run(&high, at(4)).unwrap();
    let queue = || project.reader().queue(9).unwrap().iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(queue(), [high, a, b, c, d]);
    project.store.set_priority(a, Priority::Low).unwrap();
    project.store.move_before(d, b).unwrap();
    assert_eq!(queue(), [high, d, b, c, a]);
    project.store.move_before(c, high).unwrap();
    project.store.move_before(b, a).unwrap();
    let last = NewRun { priority: Priority::Low, ..NewRun::new(project.ada, recipe(), seeds("6")) };
    let last = project.store.add_run(&last, at(5)).unwrap();
    assert_eq!(queue(), [c, high, d, b, a, last]);
    let expected = queue();
    let taken: Vec<_> = std::iter::from_fn(|| project.claim("w", 6)).map(|claimed| claimed.claim.run).collect();
    assert_eq!(taken, expected);
    refused(project.store.set_priority(a, Priority::High), "run-state");
    refused(project.store.move_before(a, b), "run-state");
}

#[test]
fn no_run_is_claimed_from_a_paused_queue() {
    let project = Project::new();
    project.queued(recipe(), "1");
    project.store.pause(PauseReason::DiskFull, "3 MiB are free", at(1)).unwrap();
    let Next::Paused(pause) = project.store.claim("w", LEASE, at(2)).unwrap() else { panic!("not paused") };
    assert_eq!((pause.reason, pause.since), (PauseReason::DiskFull, at(1)));
    assert_eq!(pause.to_string(), "3 MiB are free");
    assert_eq!(project.reader().paused().unwrap(), Some(pause));
    project.store.pause(PauseReason::User, "", at(3)).unwrap();
    assert_eq!(project.reader().paused().unwrap().unwrap().to_string(), "paused by a user");
    project.store.resume().unwrap();
    assert!(project.claim("w", 3).is_some());
}

#[test]
fn cancelling_is_immediate_or_after_the_current_step() {
    let project = Project::new();
    let [running, waiting] = ["1", "2"].map(|seed| project.queued(recipe(), seed));
    let claimed = project.claim("w", 1).unwrap();
    assert_eq!(project.store.cancel(waiting, at(2)).unwrap(), RunState::Cancelled);
    assert_eq!(project.store.cancel(running, at(2)).unwrap(), RunState::Running);
    assert!(project.store.heartbeat(&claimed.claim, &Heartbeat::default(), at(3)).unwrap().cancel_requested);
    project.store.cancelled(&claimed.claim, at(4)).unwrap();
    assert_eq!(state(&project, running), RunState::Cancelled);
    refused(project.store.cancel(running, at(5)), "run-state");
    project.store.requeue(running, at(6)).unwrap();
    let again = project.claim("w", 7).unwrap();
    assert!(!again.run.progress.cancel_requested);
    // The worker dies before it sees the next request; the run is cancelled anyway.
    project.store.cancel(running, at(8)).unwrap();
    assert!(project.claim("w", 100).is_none());
    assert_eq!(state(&project, running), RunState::Cancelled);
}

#[test]
fn drafts_are_not_claimed_until_they_are_queued() {
    let project = Project::new();
    let draft = |seed| NewRun { draft: true, ..NewRun::new(project.ada, recipe(), seeds(seed)) };
    let run = project.store.add_run(&draft("1"), at(1)).unwrap();
    assert!(project.claim("w", 2).is_none());
    project.store.enqueue(run, at(3)).unwrap();
    refused(project.store.enqueue(run, at(3)), "run-state");
    refused(project.store.discard_draft(run), "run-state");
    assert_eq!(project.claim("w", 4).unwrap().claim.run, run);
    let other = project.store.add_run(&draft("2"), at(5)).unwrap();
    project.store.discard_draft(other).unwrap();
    let third = project.queued(recipe(), "3");
    assert_eq!(project.reader().run_by_id(third).unwrap().task.to_string(), "ada-0003", "numbers are not reused");
}

#[test]
fn a_device_has_one_worker() {
    let project = Project::new();
    let hold = |device: &str, owner: &str, second| project.store.lease_device(device, owner, LEASE, at(second));
    hold("cuda:0", "a", 0).unwrap();
    hold("cuda:0", "a", 20).unwrap();
    hold("cpu", "b", 20).unwrap();
    let taken = hold("cuda:0", "b", 49).unwrap_err();
    assert_eq!(taken.to_string(), "worker a already uses cuda:0 in this project: stop it, or choose another device");
    hold("cuda:0", "b", 50).unwrap();
    project.store.release_device("cuda:0", "a").unwrap();
    assert!(hold("cuda:0", "a", 51).is_err());
    project.store.release_device("cuda:0", "b").unwrap();
    hold("cuda:0", "a", 52).unwrap();
}

#[test]
fn a_lease_that_begins_in_the_future_is_void() {
    let project = Project::new();
    let run = project.queued(recipe(), "1");
    let hold = |owner: &str, second| project.store.lease_device("cpu", owner, LEASE, at(second));
    hold("before", 3600).unwrap();
    let claimed = project.claim("before", 3600).unwrap();
    // A clock that is a little behind the worker's does not count.
    assert!(hold("other", 3600 - 20).is_err() && project.claim("other", 3600 - 20).is_none());
    // The clock was set back by an hour, and the worker is dead.
    hold("after", 0).unwrap();
    let taken = project.claim("after", 0).unwrap();
    assert_eq!(taken.claim.run, run);
    assert!(project.store.heartbeat(&claimed.claim, &Heartbeat::default(), at(1)).is_err());
    // A run that its worker gave back waits for nothing, whatever its clock said.
    project.store.interrupt(&taken.claim, at(3600)).unwrap();
    assert_eq!(project.claim("later", 2).unwrap().claim.run, run);
}

fn report(owner: &str, second: i64) -> WorkerReport {
    WorkerReport {
        owner: owner.to_owned(),
        device: "cpu".to_owned(),
        process: Process { host: "box".to_owned(), pid: 4711, identity: "boot/1".to_owned() },
        started: at(second),
        activity: Activity::Idle,
        run: None,
        detail: String::new(),
        since: at(second),
        heartbeat: at(second),
        lease: LEASE,
    }
}

#[test]
fn workers_report_what_they_do() {
    let project = Project::new();
    let run = project.queued(recipe(), "1");
    let task = project.reader().run_by_id(run).unwrap().task;
    let working = WorkerReport { activity: Activity::Working, run: Some((run, task)), ..report("a", 1) };
    let waiting =
        WorkerReport { activity: Activity::WaitingForDevice, detail: "worker a has it".to_owned(), ..report("b", 2) };
    project.store.report_worker(&report("a", 1)).unwrap();
    project.store.report_worker(&working).unwrap();
    project.store.report_worker(&waiting).unwrap();
    assert_eq!(project.reader().workers().unwrap(), [working.clone(), waiting.clone()]);
    assert_eq!(working.describe(at(2)), "working on ada-0001");
    assert_eq!(waiting.describe(at(3)), "waiting for the device: worker a has it");
    // Renewing the lease of its device is a sign of life; long silence is none.
    project.store.lease_device("cpu", "a", LEASE, at(40)).unwrap();
    let silent = |second| -> Vec<bool> {
        project.reader().workers().unwrap().iter().map(|worker| worker.is_silent(at(second))).collect()
    };
    assert_eq!(silent(41), [false, true]);
    project.store.report_worker(&report("c", 630)).unwrap();
    let left = project.reader().workers().unwrap();
    assert_eq!(left.iter().map(|worker| worker.owner.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    project.store.end_worker("c").unwrap();
    assert_eq!(project.reader().workers().unwrap().len(), 1);
}

#[test]
fn the_leases_of_a_dead_worker_can_be_released_early() {
    let project = Project::new();
    let run = project.queued(recipe(), "1");
    let day = Duration::from_secs(86_400);
    project.store.report_worker(&WorkerReport { lease: day, ..report("dead", 1) }).unwrap();
    project.store.lease_device("cpu", "dead", day, at(1)).unwrap();
    let Next::Run(_) = project.store.claim("dead", day, at(1)).unwrap() else { panic!() };
    assert!(project.claim("heir", 2).is_none());
    project.store.release_worker("dead", at(2)).unwrap();
    assert_eq!(state(&project, run), RunState::Queued);
    project.store.lease_device("cpu", "heir", LEASE, at(2)).unwrap();
    assert_eq!(project.claim("heir", 2).unwrap().claim.attempt, 2);
    assert_eq!(project.reader().workers().unwrap(), []);
}

#[test]
fn a_full_disk_does_not_replace_a_users_pause() {
    let project = Project::new();
    project.store.pause(PauseReason::User, "overnight only", at(1)).unwrap();
    project.store.pause(PauseReason::DiskFull, "no space", at(2)).unwrap();
    let pause = project.reader().paused().unwrap().unwrap();
    assert_eq!((pause.reason, pause.message.as_str()), (PauseReason::User, "overnight only"));
    project.store.resume().unwrap();
    project.store.pause(PauseReason::DiskFull, "no space", at(3)).unwrap();
    project.store.pause(PauseReason::User, "", at(4)).unwrap();
    assert_eq!(project.reader().paused().unwrap().unwrap().reason, PauseReason::User);
}

#[test]
fn threads_and_stores_never_claim_a_run_twice() {
    let project = Project::new();
    for seed in 0..60 {
        project.queued(recipe(), &seed.to_string());
    }
    let take = |owner: String| {
        let store = Store::open(&project.path).unwrap();
        std::iter::from_fn(move || claim(&store, &owner, 10)).map(|claimed| claimed.claim.run).collect::<Vec<_>>()
    };
    let taken: Vec<RunId> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn({
                    let take = &take;
                    move || take(format!("w{n}"))
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!((taken.len(), taken.iter().collect::<HashSet<_>>().len()), (60, 60));
}

#[test]
fn a_reader_sees_what_another_store_wrote() {
    let project = Project::new();
    let reader = project.reader();
    let other = Store::open(&project.path).unwrap();
    let run = other.add_run(&NewRun::new(project.ada, recipe(), seeds("1")), at(1)).unwrap();
    assert_eq!(reader.queue(9).unwrap().len(), 1);
    let claimed = project.claim("w", 2).unwrap();
    other.cancel(run, at(3)).unwrap();
    assert!(project.store.heartbeat(&claimed.claim, &Heartbeat::default(), at(4)).unwrap().cancel_requested);
}
