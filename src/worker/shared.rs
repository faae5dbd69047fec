//! What the handle and the worker's thread share.

use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::{WorkerEvent, WorkerState};

/// When to stop. Of several requests, the earliest stop wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// When the queue is empty.
    AfterQueue,
    /// After the current run.
    AfterRun,
    /// After the current step. The run returns to the queue and then resumes from that step.
    AfterStep,
}

#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    events: Option<Sender<WorkerEvent>>,
}

#[derive(Debug)]
struct Inner {
    state: WorkerState,
    stop: Option<Stop>,
    wake: bool,
}

impl Shared {
    pub fn new(events: Option<Sender<WorkerEvent>>) -> Self {
        let inner = Inner { state: WorkerState::Starting, stop: None, wake: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), events }
    }

    pub fn state(&self) -> WorkerState {
        self.lock().state.clone()
    }

    /// Sets the state and returns the previous one.
    pub fn set_state(&self, state: WorkerState) -> WorkerState {
        std::mem::replace(&mut self.lock().state, state)
    }

    /// The earliest stop that was requested.
    pub fn requested_stop(&self) -> Option<Stop> {
        self.lock().stop
    }

    pub fn send(&self, event: WorkerEvent) {
        if let Some(events) = &self.events {
            // Fails if the listener is gone.
            let _ = events.send(event);
        }
    }

    /// Waits until the worker is woken or stopped, at most this long.
    pub fn wait(&self, limit: Duration) {
        let inner = self.lock();
        let stop = inner.stop;
        let waits = |inner: &mut Inner| !inner.wake && inner.stop == stop;
        let (mut inner, _) =
            self.changed.wait_timeout_while(inner, limit, waits).unwrap_or_else(PoisonError::into_inner);
        inner.wake = false;
    }

    pub fn wake(&self) {
        self.lock().wake = true;
        self.changed.notify_all();
    }

    pub fn stop(&self, when: Stop) {
        let mut inner = self.lock();
        inner.stop = inner.stop.max(Some(when));
        drop(inner);
        self.changed.notify_all();
    }

    /// The state is consistent even if a thread panicked while it held the lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
