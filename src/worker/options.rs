//! How a worker works, and when it ends.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::state::WorkerEvent;
use crate::diffusion::compute::{DeviceChoice, DtypeChoice};
use crate::studio::ids::RunId;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Options {
    pub device: DeviceChoice,
    pub dtype: DtypeChoice,
    /// How long a run stays claimed without a heartbeat. The worker sends one after a third of it.
    pub lease: Duration,
    pub until: Until,
    /// Receives events to show to the user. The database records the state.
    pub events: Option<Sender<WorkerEvent>>,
    /// Gives its threads a lower priority, so that a screen in the same process reacts to keys. Linux only, where a
    /// single thread can have its own priority.
    pub low_priority: bool,
    /// Starts again after an error, with growing pauses, until it is stopped. Without it, an error ends the worker.
    pub restart: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            dtype: DtypeChoice::Auto,
            lease: Duration::from_secs(30),
            until: Until::Stopped,
            events: None,
            low_priority: false,
            restart: false,
        }
    }
}

/// When a worker ends by itself. While the queue is paused it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Never: it waits for new runs.
    Stopped,
    /// When no run is queued or running, including the runs of other workers.
    QueueEmpty,
    /// When this run is over, even if another worker finished it.
    RunOver(RunId),
}
