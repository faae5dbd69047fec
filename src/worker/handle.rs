//! The handle that starts, wakes and stops a worker.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::error::{Error, Result};
use super::options::Options;
use super::serve::{self, panic_message};
use super::shared::{Shared, Stop};
use super::state::{Outcome, WorkerState};
use crate::store::Store;

/// A thread that works through a project's queue. It keeps running if the handle is dropped.
///
/// To process the queue until one run is over, start it with [`Until::RunOver`](super::Until::RunOver) and
/// [`join`](Worker::join) it.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Outcome>>,
}

/// Wakes a waiting worker from another thread.
#[derive(Clone, Debug)]
pub struct WorkerWaker(Arc<Shared>);

impl Worker {
    /// Starts the thread.
    pub fn start(store: Arc<Store>, options: Options) -> Result<Self> {
        let shared = Arc::new(Shared::new(options.events.clone()));
        let shared_with_thread = shared.clone();
        let work = move || {
            if options.low_priority {
                lower_priority();
            }
            let outcome = serve::serve(&store, &options, &shared_with_thread);
            shared_with_thread.set_state(WorkerState::Ended);
            outcome
        };
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(work).map_err(Error::NoThread)?;
        Ok(Self { shared, thread })
    }

    /// Makes the worker check the queue at once.
    pub fn wake(&self) {
        self.shared.wake();
    }

    pub fn waker(&self) -> WorkerWaker {
        WorkerWaker(self.shared.clone())
    }

    /// Requests a stop and returns at once.
    pub fn stop(&self, when: Stop) {
        self.shared.stop(when);
    }

    pub fn state(&self) -> WorkerState {
        self.shared.state()
    }

    /// Whether [`join`](Worker::join) would return at once.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the worker ends.
    pub fn join(self) -> Result<Outcome> {
        self.thread.join().unwrap_or_else(|panic| Err(Error::Panic(panic_message(&*panic))))
    }
}

impl WorkerWaker {
    /// Does the same as [`Worker::wake`].
    pub fn wake(&self) {
        self.0.wake();
    }
}

/// Lowers the priority of this thread and of those that it will start, including the threads that compute.
fn lower_priority() {
    // If this fails, the workbench reacts to keys a few milliseconds more slowly.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}
