//! Reads and changes the queue.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use super::Result;
use crate::store::{Reader, Store};
use crate::studio::ids::RunId;
use crate::studio::queue::{Pause, PauseReason};
use crate::studio::run::Run;
use crate::studio::state::RunState;
use crate::studio::worker::WorkerReport;

/// The queue at one moment.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Running runs, then queued ones in their order, then the newest failed and cancelled ones.
    pub runs: Vec<Run>,
    /// The newest preview of each running run.
    pub previews: Vec<Preview>,
    /// The current pause, if the queue is paused.
    pub paused: Option<Pause>,
    /// What the workers say about themselves, in the order of their start.
    pub workers: Vec<WorkerReport>,
}

/// A picture of an unfinished seed; run and step identify it.
#[derive(Clone, Debug)]
pub struct Preview {
    pub run: RunId,
    /// The step it was taken after.
    pub step: u32,
    pub png: Arc<[u8]>,
}

impl PartialEq for Preview {
    fn eq(&self, other: &Self) -> bool {
        (self.run, self.step) == (other.run, other.step)
    }
}

impl Eq for Preview {}

impl Hash for Preview {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.run, self.step).hash(state);
    }
}

/// Reads the queue with at most `waiting` queued and `stopped` failed or cancelled runs.
pub fn load(reader: &Reader, waiting: u32, stopped: u32) -> Result<Queue> {
    let mut runs = reader.queue(waiting)?;
    let mut previews = Vec::new();
    for run in runs.iter().filter(|run| run.progress.owner.is_some()) {
        let preview = reader.preview(run.id)?;
        previews.extend(preview.map(|(step, png)| Preview { run: run.id, step, png: png.into() }));
    }
    runs.extend(reader.stopped(stopped)?);
    Ok(Queue { runs, previews, paused: reader.paused()?, workers: reader.workers()? })
}

/// Cancels a run: at once while it waits, after the current step while it runs. Returns the run's new state.
pub fn cancel(store: &Store, run: RunId) -> Result<RunState> {
    Ok(store.cancel(run, Timestamp::now())?)
}

/// Queues a failed or cancelled run again. The outputs it already has are kept.
pub fn retry(store: &Store, run: RunId) -> Result<()> {
    Ok(store.requeue(run, Timestamp::now())?)
}

/// Moves a waiting run before another one.
pub fn move_before(store: &Store, run: RunId, other: RunId) -> Result<()> {
    Ok(store.move_before(run, other)?)
}

/// Pauses the queue for a user: runs in progress finish, and no other run starts. The message may be empty.
pub fn pause(store: &Store, message: &str) -> Result<()> {
    Ok(store.pause(PauseReason::User, message, Timestamp::now())?)
}

/// Lets workers take runs again.
pub fn resume(store: &Store) -> Result<()> {
    Ok(store.resume()?)
}
