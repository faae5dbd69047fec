//! The worker's loop: lease the device, claim a run, generate it, repeat.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, error, info, info_span, warn};

use super::disk_space::DiskSpace;
use super::error::{Error, Result};
use super::generate::Generator;
use super::heartbeat::{LeaseKeeper, LeaseStatus};
use super::interruption::Interruption;
use super::options::{Options, Until};
use super::reporter::{Reporter, release_dead_workers};
use super::retry::retry_while_busy;
use super::shared::{Shared, Stop};
use super::state::{Outcome, WorkerEvent, WorkerState};
use crate::diffusion::compute::Compute;
use crate::store::queue::{Claim, Claimed, Finish, Next};
use crate::store::{self, Reader, Store};
use crate::studio::queue::PauseReason;
use crate::studio::state::RunState;
use crate::studio::text;

/// How often a waiting worker checks the queue.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The pauses before a restart grow from the first to the second of these.
const RESTART_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Works until the options or the handle end it, and starts again after an error if the options say so.
pub(super) fn serve(store: &Store, options: &Options, shared: &Shared) -> Result<Outcome> {
    let compute = Compute::choose(options.device, options.dtype)?;
    let mut reporter = Reporter::new(store, shared, compute.device_name(), options.lease);
    let mut delay = RESTART_AFTER.0;
    let outcome = loop {
        let began = Instant::now();
        let error = match serve_once(store, options, shared, &compute, &mut reporter) {
            Err(error) if options.restart && shared.requested_stop().is_none() => error,
            outcome => break outcome,
        };
        if began.elapsed() > RESTART_AFTER.1 {
            delay = RESTART_AFTER.0;
        }
        warn!(seconds = delay.as_secs(), "worker restarts");
        let state = WorkerState::Restarting(error.to_string());
        if !wait_to_restart(store, shared, &mut reporter, &state, delay) {
            break Ok(Outcome::Stopped { requeued: None });
        }
        delay = (delay * 2).min(RESTART_AFTER.1);
    };
    reporter.end();
    outcome
}

/// Waits at least so long, and until the project's disk can be written. Returns false if the worker was stopped.
fn wait_to_restart(
    store: &Store,
    shared: &Shared,
    reporter: &mut Reporter<'_>,
    state: &WorkerState,
    delay: Duration,
) -> bool {
    let mut next = Instant::now() + delay;
    while shared.requested_stop().is_none() {
        reporter.set(state.clone(), None);
        if Instant::now() >= next {
            if DiskSpace::new(store.folder()).can_write() {
                return true;
            }
            next = Instant::now() + delay;
        }
        shared.wait(CHECK_INTERVAL);
    }
    false
}

fn serve_once(
    store: &Store,
    options: &Options,
    shared: &Shared,
    compute: &Compute,
    reporter: &mut Reporter<'_>,
) -> Result<Outcome> {
    let reader = store.reader()?;
    let owner = reporter.owner().to_owned();
    let device = compute.device_name();
    let disk = DiskSpace::new(store.folder());
    let mut server =
        Server { store, options, shared, reader: &reader, owner: &owner, disk, reporter, reported_pause: None };
    if let Some(outcome) = server.lease_device(device)? {
        return Ok(outcome);
    }
    info!(device, dtype = compute.dtype_name(), "worker started");
    server.disk.create_reserve();
    let leases = LeaseKeeper::new(store, device, &owner, options.lease);
    let outcome = thread::scope(|scope| {
        let heartbeats = thread::Builder::new().name("heartbeat".to_owned()).spawn_scoped(scope, || leases.run());
        heartbeats.map_err(Error::NoThread)?;
        let _stop = StopOnDrop(&leases);
        server.work(&leases, Generator::new(store, &reader, shared, &leases, compute))
    });
    match &outcome {
        Ok(_) => info!("worker ended"),
        Err(Error::LostDevice { .. }) => error!(device, "worker ended: another worker took over the device"),
        // The message may contain paths.
        Err(error) => {
            error!("worker ended with an error");
            debug!(%error, "worker's error");
        }
    }
    // If this fails, the lease expires.
    let _ = store.release_device(device, &owner);
    outcome
}

struct Server<'a, 'r> {
    store: &'a Store,
    options: &'a Options,
    shared: &'a Shared,
    reader: &'a Reader,
    owner: &'a str,
    disk: DiskSpace,
    reporter: &'a mut Reporter<'r>,
    /// The pause that was reported last.
    reported_pause: Option<String>,
}

/// What to do after a run.
enum AfterRun {
    Continue,
    /// The run is back in the queue because the worker has to stop.
    Requeued,
}

impl Server<'_, '_> {
    /// Leases the device. While another worker has it, waits until the work of [`Until`] is done, even by others. Returns
    /// an outcome if the work ends here.
    fn lease_device(&mut self, device: &str) -> Result<Option<Outcome>> {
        loop {
            match retry_while_busy(|| self.store.lease_device(device, self.owner, self.options.lease, Timestamp::now()))
            {
                Ok(()) => return Ok(None),
                Err(store::Error::DeviceTaken { device, owner }) => {
                    if release_dead_workers(self.store, self.reader)? > 0 {
                        continue;
                    }
                    if self.reporter.set(WorkerState::WaitingForDevice { owner: owner.clone() }, None) {
                        info!(device, "waiting for the device");
                        self.shared.send(WorkerEvent::WaitingForDevice { device, owner });
                    }
                }
                Err(store::Error::DiskFull { .. }) if self.disk.release_reserve() => continue,
                Err(error) => return Err(error.into()),
            }
            if self.shared.requested_stop().is_some() {
                return Ok(Some(Outcome::Stopped { requeued: None }));
            }
            if self.is_run_over()? || (self.options.until == Until::QueueEmpty && self.reader.queue(1)?.is_empty()) {
                return Ok(Some(Outcome::Finished));
            }
            self.shared.wait(CHECK_INTERVAL.min(self.options.lease / 4));
        }
    }

    fn work(&mut self, leases: &LeaseKeeper<'_>, mut generator: Generator<'_>) -> Result<Outcome> {
        loop {
            let stop = self.shared.requested_stop();
            if stop >= Some(Stop::AfterRun) {
                return Ok(Outcome::Stopped { requeued: None });
            }
            if leases.status() == LeaseStatus::DeviceLost {
                return Err(Error::LostDevice { device: generator.compute.device_name().to_owned() });
            }
            if self.is_run_over()? {
                return Ok(Outcome::Finished);
            }
            if let Some(pause) = self.reader.paused()? {
                if self.disk.has_recovered_from(&pause) {
                    self.resume()?;
                } else if stop.is_some() {
                    return Ok(Outcome::Stopped { requeued: None });
                } else {
                    self.wait_while_paused(pause.to_string());
                }
                continue;
            }
            self.reported_pause = None;
            // Running runs of other workers count, because they return to the queue if their worker dies.
            if self.reader.queue(1)?.is_empty() {
                if stop.is_some() || self.options.until == Until::QueueEmpty {
                    return Ok(Outcome::Finished);
                }
                self.wait_idle();
                continue;
            }
            if let Some(message) = self.disk.shortage() {
                self.pause(&message)?;
                continue;
            }
            match retry_while_busy(|| self.store.claim(self.owner, self.options.lease, Timestamp::now())) {
                Ok(Next::Run(claimed)) => {
                    let task = claimed.claim.task.clone();
                    if let AfterRun::Requeued = self.generate(&claimed, leases, &mut generator)? {
                        return match leases.status() {
                            LeaseStatus::DeviceLost => {
                                Err(Error::LostDevice { device: generator.compute.device_name().to_owned() })
                            }
                            _ => Ok(Outcome::Stopped { requeued: Some(task) }),
                        };
                    }
                }
                // Other workers have all runs. If one died, its run returns to the queue.
                Ok(Next::Empty) => {
                    release_dead_workers(self.store, self.reader)?;
                    self.wait_idle();
                }
                // Paused since the check above: the next round reports it.
                Ok(Next::Paused(_)) => {}
                Err(store::Error::DiskFull { .. }) => self.pause_for_space()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Generates one run, records how it ended and reports it.
    fn generate(
        &mut self,
        claimed: &Claimed,
        leases: &LeaseKeeper<'_>,
        generator: &mut Generator<'_>,
    ) -> Result<AfterRun> {
        let began = Instant::now();
        let (claim, progress) = (&claimed.claim, &claimed.run.progress);
        let task = claim.task.clone();
        // The task's name begins with the subject's handle, which may be a person's name.
        let _span = info_span!("run", id = claim.run.0).entered();
        debug!(%task, "task");
        self.reporter.set(WorkerState::Working(task.clone()), Some(claim.run));
        let missing = claimed.run.seeds.as_slice().len() - claimed.done.len();
        info!(attempt = claim.attempt, pictures = missing, resumes = claimed.resume.is_some(), "claimed");
        self.shared.send(WorkerEvent::Started { task, pictures: missing });

        leases.begin(claim, progress.step, progress.steps);
        let result = catch_panic(|| generator.generate(claimed));
        leases.end();
        let now = Timestamp::now();
        let mut after = AfterRun::Continue;
        let (state, error, recorded) = match result {
            Ok(finish) => (RunState::Done, None, self.record(|store| store.complete(claim, &finish, now))),
            Err(Interruption::Cancelled) => {
                (RunState::Cancelled, None, self.record(|store| store.cancelled(claim, now)))
            }
            Err(Interruption::Failed(reason)) => {
                generator.unload();
                let recorded = self.record(|store| store.fail(claim, &reason, now));
                (RunState::Failed, Some(reason), recorded)
            }
            Err(Interruption::Stopped) => {
                after = AfterRun::Requeued;
                (RunState::Interrupted, None, self.record(|store| store.interrupt(claim, now)))
            }
            Err(Interruption::DiskFull) => {
                self.disk.release_reserve();
                let recorded = self.record(|store| store.interrupt(claim, now));
                self.pause_for_space()?;
                (RunState::Interrupted, None, recorded)
            }
            Err(Interruption::Lost) => {
                generator.forget_run();
                (RunState::Interrupted, None, Err(store::Error::LostLease { task: claim.task.clone() }))
            }
            Err(Interruption::Fatal(error)) => {
                // If this fails too, the lease expires.
                let _ = self.record(|store| store.interrupt(claim, now));
                return Err(error.into());
            }
        };
        if state == RunState::Done {
            self.disk.stored();
        }
        match recorded {
            Ok(()) => self.report_end(claim, state, began.elapsed(), error),
            Err(store::Error::LostLease { .. }) => {
                warn!("run lost: cancelled, deleted or taken over by another worker");
                self.shared.send(WorkerEvent::Lost { task: claim.task.clone() });
            }
            // The lease expires, and the run returns to the queue with all its pictures.
            Err(store::Error::DiskFull { .. }) => self.pause_for_space()?,
            Err(error) => return Err(error.into()),
        }
        Ok(after)
    }

    fn report_end(&self, claim: &Claim, state: RunState, elapsed: Duration, error: Option<String>) {
        let pictures = self.reader.outputs(claim.run).map_or(0, |outputs| outputs.len());
        let seconds = elapsed.as_secs_f64();
        info!(state = state.name(), pictures, seconds, "ended");
        if let Some(error) = &error {
            // The message may contain paths.
            debug!(error, "run's error");
        }
        self.shared.send(WorkerEvent::Ended { task: claim.task.clone(), state, pictures, seconds, error });
    }

    /// Records how a run ended. On a full disk, the reserve makes space for it.
    fn record(&self, write: impl Fn(&Store) -> store::Result<()>) -> store::Result<()> {
        match retry_while_busy(|| write(self.store)) {
            Err(store::Error::DiskFull { .. }) if self.disk.release_reserve() => write(self.store),
            result => result,
        }
    }

    fn pause_for_space(&mut self) -> Result<()> {
        let message = self.disk.full_message();
        self.pause(&message)
    }

    /// Pauses the queue for lack of space. If not even that can be written, only this worker pauses.
    fn pause(&mut self, message: &str) -> Result<()> {
        match self.record(|store| store.pause(PauseReason::DiskFull, message, Timestamp::now())) {
            Ok(()) | Err(store::Error::DiskFull { .. }) => self.wait_while_paused(message.to_owned()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<()> {
        retry_while_busy(|| self.store.resume())?;
        self.disk.create_reserve();
        info!("queue resumed");
        self.shared.send(WorkerEvent::Resumed);
        Ok(())
    }

    /// Waits a moment while the queue is paused, and reports each pause once.
    fn wait_while_paused(&mut self, reason: String) {
        self.reporter.set(WorkerState::Paused(reason.clone()), None);
        if self.reported_pause.as_ref() != Some(&reason) {
            info!("queue paused");
            debug!(reason, "reason of the pause");
            self.shared.send(WorkerEvent::Paused { reason: reason.clone() });
            self.reported_pause = Some(reason);
        }
        self.shared.wait(CHECK_INTERVAL);
    }

    fn wait_idle(&mut self) {
        self.reporter.set(WorkerState::Idle, None);
        self.shared.wait(CHECK_INTERVAL);
    }

    /// Whether the run of [`Until::RunOver`] is over or deleted.
    fn is_run_over(&self) -> Result<bool> {
        let Until::RunOver(run) = self.options.until else { return Ok(false) };
        match self.reader.run_by_id(run) {
            Ok(run) => Ok(run.state.is_over()),
            Err(store::Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// Turns a panic into a failure of its run.
fn catch_panic(generate: impl FnOnce() -> Result<Finish, Interruption>) -> Result<Finish, Interruption> {
    catch_unwind(AssertUnwindSafe(generate)).unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        Err(Interruption::Failed(format!("the worker panicked ({message}). Report this bug")))
    })
}

/// The message of a panic.
pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text::clean(message.unwrap_or("no message"))
}

/// Stops the heartbeats when the work ends, even by a panic.
struct StopOnDrop<'a>(&'a LeaseKeeper<'a>);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure_with_its_message() {
        let Err(Interruption::Failed(reason)) = catch_panic(|| panic!("index {} is out of range", 7)) else { panic!() };
        assert!(reason.contains("(index 7 is out of range)"), "{reason}");
        assert!(catch_panic(|| Ok(Finish::default())).is_ok());
    }
}
