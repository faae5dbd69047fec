//! Renews the leases of the device and the run on a thread of its own, because a step may take longer than a lease. Each
//! heartbeat also reports progress, and learns whether the run was cancelled.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::store::queue::{Claim, Heartbeat};
use crate::store::{Error, Store};

/// The shortest time between two reports of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Sends heartbeats for one device, and for the current run on it.
pub(super) struct LeaseKeeper<'a> {
    store: &'a Store,
    device: &'a str,
    owner: &'a str,
    lease: Duration,
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// What the heartbeats have learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseStatus {
    Valid,
    /// The user cancelled the run.
    Cancelled,
    /// This worker no longer holds the lease of the run.
    RunLost,
    /// Another worker uses the device now.
    DeviceLost,
}

#[derive(Default)]
struct Inner {
    stopped: bool,
    device_lost: bool,
    run: Option<CurrentRun>,
}

struct CurrentRun {
    claim: Claim,
    progress: Heartbeat,
    /// Whether the progress has not been reported yet.
    is_new: bool,
    status: LeaseStatus,
}

impl<'a> LeaseKeeper<'a> {
    pub fn new(store: &'a Store, device: &'a str, owner: &'a str, lease: Duration) -> Self {
        Self { store, device, owner, lease, inner: Mutex::default(), changed: Condvar::new() }
    }

    /// Sends heartbeats until [`stop`](Self::stop).
    pub fn run(&self) {
        let interval = self.lease / 3;
        let mut last = Instant::now();
        let mut inner = self.lock();
        while !inner.stopped {
            let has_news = inner.run.as_ref().is_some_and(|run| run.is_new);
            let due = last + if has_news { PROGRESS_INTERVAL.min(interval) } else { interval };
            let now = Instant::now();
            if now < due {
                inner = self.changed.wait_timeout(inner, due - now).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            last = now;
            let run = inner.run.as_mut().map(|run| {
                run.is_new = false;
                let preview = run.progress.preview.take();
                (run.claim.clone(), Heartbeat { preview, ..run.progress.clone() })
            });
            // Release the lock, so that the worker does not wait for the disk.
            drop(inner);
            let device_lost = self.renew_device();
            let status = run.map(|(claim, progress)| (self.renew_run(&claim, &progress), claim));
            inner = self.lock();
            inner.device_lost |= device_lost;
            // Meanwhile the next run may have started.
            if let (Some((status, claim)), Some(run)) = (status, &mut inner.run)
                && run.claim == claim
                && status != LeaseStatus::Valid
            {
                run.status = status;
            }
        }
    }

    /// Starts heartbeats for a run, at this step of `steps`.
    pub fn begin(&self, claim: &Claim, step: u32, steps: u32) {
        let progress = Heartbeat { step, steps, preview: None };
        self.lock().run = Some(CurrentRun { claim: claim.clone(), progress, is_new: true, status: LeaseStatus::Valid });
        self.changed.notify_all();
    }

    /// Sets the progress for the next heartbeat.
    pub fn progress(&self, step: u32, steps: u32, preview: Option<Vec<u8>>) {
        if let Some(run) = &mut self.lock().run {
            let preview = preview.or_else(|| run.progress.preview.take());
            run.progress = Heartbeat { step, steps, preview };
            run.is_new = true;
        }
        self.changed.notify_all();
    }

    /// Ends the heartbeats for the run.
    pub fn end(&self) {
        self.lock().run = None;
    }

    pub fn status(&self) -> LeaseStatus {
        let inner = self.lock();
        match &inner.run {
            Some(run) if run.status != LeaseStatus::Valid => run.status,
            _ if inner.device_lost => LeaseStatus::DeviceLost,
            _ => LeaseStatus::Valid,
        }
    }

    pub fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Returns whether another worker has taken the device. After other errors the next heartbeat tries again.
    fn renew_device(&self) -> bool {
        let renewed = self.store.lease_device(self.device, self.owner, self.lease, Timestamp::now());
        matches!(renewed, Err(Error::DeviceTaken { .. }))
    }

    fn renew_run(&self, claim: &Claim, progress: &Heartbeat) -> LeaseStatus {
        match self.store.heartbeat(claim, progress, Timestamp::now()) {
            Ok(reply) if reply.cancel_requested => LeaseStatus::Cancelled,
            Err(Error::LostLease { .. }) => LeaseStatus::RunLost,
            Ok(_) | Err(_) => LeaseStatus::Valid,
        }
    }

    /// The state is consistent even if a thread panicked while it held the lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
