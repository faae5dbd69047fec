//! The use cases that the command line and the workbench share.
//!
//! Functions take a [`Store`] or a [`Reader`] with plain values, and return types and errors. They never print.
//!
//! - [`subjects`]: add, rename and forget subjects; record and withdraw consent
//! - [`references`]: add pictures as candidates, decide on them, find the newest approved one
//! - [`runs`]: start a run without a parent, from a parent, or again with the next seeds
//! - [`queue`]: read and change the queue
//! - [`reviews`]: review outputs and set the baseline
//! - [`models`]: find a model by name, its default settings, and count a prompt's tokens
//! - [`pictures`]: open stored pictures
//! - [`sample`]: the sample project
//! - [`Deletion`]: what was permanently deleted

pub mod models;
pub mod pictures;
pub mod queue;
pub mod references;
pub mod reviews;
pub mod runs;
pub mod sample;
pub mod subjects;

mod deletion;
mod error;

use std::sync::Arc;

use crate::store::{self, Reader, Store};
use crate::worker::WorkerWaker;

pub use deletion::Deletion;
pub use error::{Error, Result};
use models::TokenCounter;

/// An open project, a token counter, and the waker of the worker if this process runs one.
///
/// Clones share the same project, so that every thread can have its own.
#[derive(Clone, Debug)]
pub struct Service {
    store: Arc<Store>,
    tokens: Arc<TokenCounter>,
    worker: Option<WorkerWaker>,
}

impl Service {
    /// A service on a project without a worker in this process.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, tokens: Arc::default(), worker: None }
    }

    /// The same service with a worker to wake whenever a run is queued.
    pub fn with_worker(self, worker: WorkerWaker) -> Self {
        Self { worker: Some(worker), ..self }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens a connection that only reads, one for each thread.
    pub fn reader(&self) -> store::Result<Reader> {
        self.store.reader()
    }

    pub fn tokens(&self) -> &TokenCounter {
        &self.tokens
    }

    /// Tells the worker to look at the queue now instead of at its next poll.
    pub fn wake_worker(&self) {
        if let Some(worker) = &self.worker {
            worker.wake();
        }
    }
}
