//! Signs of life beside the work: a thread that renews the hold on the device and on the run, tells how far the run has
//! come, and hears whether it is to be cancelled. A step may take longer than a lease.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::store::queue::{Claim, Heartbeat};
use crate::store::{Error, Store};

/// Progress is told this often at most.
const NEWS_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Pulse<'a> {
    store: &'a Store,
    device: &'a str,
    owner: &'a str,
    lease: Duration,
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// What the thread was told since it last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    GoOn,
    /// A person wants the run cancelled.
    Cancel,
    /// The run belongs to another now, or to nobody.
    LostRun,
    /// Another worker serves the device now.
    LostDevice,
}

#[derive(Default)]
struct Inner {
    ended: bool,
    lost_device: bool,
    run: Option<Running>,
}

struct Running {
    claim: Claim,
    beat: Heartbeat,
    /// The beat says something that was not told yet.
    fresh: bool,
    told: Told,
}

impl<'a> Pulse<'a> {
    pub fn new(store: &'a Store, device: &'a str, owner: &'a str, lease: Duration) -> Self {
        Self { store, device, owner, lease, inner: Mutex::default(), changed: Condvar::new() }
    }

    /// Beats until [`stop`](Self::stop).
    pub fn beat(&self) {
        let third = self.lease / 3;
        let mut last = Instant::now();
        let mut inner = self.lock();
        while !inner.ended {
            let fresh = inner.run.as_ref().is_some_and(|run| run.fresh);
            let due = last + if fresh { NEWS_EVERY.min(third) } else { third };
            let now = Instant::now();
            if now < due {
                inner = self.changed.wait_timeout(inner, due - now).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            last = now;
            let run = inner.run.as_mut().map(|run| {
                run.fresh = false;
                let preview = run.beat.preview.take();
                (run.claim.clone(), Heartbeat { preview, ..run.beat.clone() })
            });
            // Nobody waits for the disk while it is told.
            drop(inner);
            let lost_device = self.renew_device();
            let told = run.map(|(claim, beat)| (self.tell(&claim, &beat), claim));
            inner = self.lock();
            inner.lost_device |= lost_device;
            // The run may have ended meanwhile, and the next one have begun.
            if let (Some((told, claim)), Some(run)) = (told, &mut inner.run)
                && run.claim == claim
                && told != Told::GoOn
            {
                run.told = told;
            }
        }
    }

    /// A run is under way from now on.
    pub fn begin(&self, claim: &Claim, step: u32, steps: u32) {
        let beat = Heartbeat { step, steps, preview: None };
        self.lock().run = Some(Running { claim: claim.clone(), beat, fresh: true, told: Told::GoOn });
        self.changed.notify_all();
    }

    /// How far the run has come.
    pub fn step(&self, step: u32, steps: u32, preview: Option<Vec<u8>>) {
        if let Some(run) = &mut self.lock().run {
            let preview = preview.or_else(|| run.beat.preview.take());
            run.beat = Heartbeat { step, steps, preview };
            run.fresh = true;
        }
        self.changed.notify_all();
    }

    /// The run is over as far as this worker is concerned.
    pub fn end(&self) {
        self.lock().run = None;
    }

    pub fn told(&self) -> Told {
        let inner = self.lock();
        match &inner.run {
            Some(run) if run.told != Told::GoOn => run.told,
            _ if inner.lost_device => Told::LostDevice,
            _ => Told::GoOn,
        }
    }

    pub fn stop(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Whether another worker has taken the device. What the database cannot take now, it takes the next time.
    fn renew_device(&self) -> bool {
        let held = self.store.lease_device(self.device, self.owner, self.lease, Timestamp::now());
        matches!(held, Err(Error::DeviceTaken { .. }))
    }

    fn tell(&self, claim: &Claim, beat: &Heartbeat) -> Told {
        match self.store.heartbeat(claim, beat, Timestamp::now()) {
            Ok(told) if told.cancel_requested => Told::Cancel,
            Err(Error::LostLease { .. }) => Told::LostRun,
            Ok(_) | Err(_) => Told::GoOn,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in it is ever half-changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
