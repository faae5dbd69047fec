//! The worker's loop: lease the device, claim a run, generate it, repeat.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, error, info, info_span, warn};
use uuid::Uuid;

use super::disk_space::DiskSpace;
use super::error::{Error, Result};
use super::generate::Generator;
use super::heartbeat::{LeaseKeeper, LeaseStatus};
use super::interruption::Interruption;
use super::options::{Options, Until};
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

/// Works until the options or the handle end it.
pub(super) fn serve(store: &Store, options: &Options, shared: &Shared) -> Result<Outcome> {
    let compute = Compute::choose(options.device, options.dtype)?;
    let reader = store.reader()?;
    let owner = unique_name();
    let device = compute.device_name();
    let disk = DiskSpace::new(store.folder());
    let mut server = Server { store, options, shared, reader: &reader, owner: &owner, disk, reported_pause: None };
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
        server.work(&leases, Generator::new(store, &reader, shared, &leases, &compute))
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

struct Server<'a> {
    store: &'a Store,
    options: &'a Options,
    shared: &'a Shared,
    reader: &'a Reader,
    owner: &'a str,
    disk: DiskSpace,
    /// The pause that was reported last.
    reported_pause: Option<String>,
}

/// What to do after a run.
enum AfterRun {
    Continue,
    /// The run is back in the queue because the worker has to stop.
    Requeued,
}

impl Server<'_> {
    /// Leases the device. If another worker has it, waits as long as the lease of a dead worker can last, or until the
    /// run of [`Until::RunOver`] is over. Returns an outcome if the work ends here.
    fn lease_device(&mut self, device: &str) -> Result<Option<Outcome>> {
        let began = Instant::now();
        loop {
            match retry_while_busy(|| self.store.lease_device(device, self.owner, self.options.lease, Timestamp::now()))
            {
                Ok(()) => return Ok(None),
                Err(store::Error::DeviceTaken { device, owner }) => {
                    let waits_for_run = matches!(self.options.until, Until::RunOver(_));
                    if !waits_for_run && began.elapsed() > self.options.lease + CHECK_INTERVAL {
                        return Err(store::Error::DeviceTaken { device, owner }.into());
                    }
                    if self.shared.set_state(WorkerState::WaitingForDevice) != WorkerState::WaitingForDevice {
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
            if self.is_run_over()? {
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
                Ok(Next::Empty) => self.wait_idle(),
                // Paused since the check above: the next round reports it.
                Ok(Next::Paused(_)) => {}
                Err(store::Error::DiskFull { .. }) => self.pause(&self.disk.full_message())?,
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
        self.shared.set_state(WorkerState::Working(task.clone()));
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
                self.pause(&self.disk.full_message())?;
                (RunState::Interrupted, None, recorded)
            }
            Err(Interruption::Lost) => {
                generator.forget_run();
                (RunState::Interrupted, None, Err(store::Error::LostLease { task: claim.task.clone() }))
            }
            Err(Interruption::Fatal(error)) => return Err(error.into()),
        };
        match recorded {
            Ok(()) => self.report_end(claim, state, began.elapsed(), error),
            Err(store::Error::LostLease { .. }) => {
                warn!("run lost: cancelled, deleted or taken over by another worker");
                self.shared.send(WorkerEvent::Lost { task: claim.task.clone() });
            }
            // The lease expires, and the run returns to the queue with all its pictures.
            Err(store::Error::DiskFull { .. }) => self.pause(&self.disk.full_message())?,
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
        self.shared.set_state(WorkerState::Paused(reason.clone()));
        if self.reported_pause.as_ref() != Some(&reason) {
            info!("queue paused");
            debug!(reason, "reason of the pause");
            self.shared.send(WorkerEvent::Paused { reason: reason.clone() });
            self.reported_pause = Some(reason);
        }
        self.shared.wait(CHECK_INTERVAL);
    }

    fn wait_idle(&self) {
        self.shared.set_state(WorkerState::Idle);
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

/// A name that no other worker has: machine, process id, and a few digits for workers that share both.
fn unique_name() -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let digits = Uuid::now_v7().simple().to_string();
    format!("{machine}-{}-{}", std::process::id(), &digits[digits.len() - 4..])
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
