//! A worker's state, events and outcome.

use std::fmt;

use crate::studio::state::RunState;
use crate::studio::subject::TaskId;

/// What a worker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerState {
    Starting,
    /// Another worker has the lease of the device. If that worker died, its lease is released or expires soon.
    WaitingForDevice {
        owner: String,
    },
    /// The queue is empty.
    Idle,
    /// The queue is paused, for this reason.
    Paused(String),
    Working(TaskId),
    /// An error stopped it, and it tries again.
    Restarting(String),
    Ended,
}

/// How a worker ended without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its work is done; see [`super::Until`].
    Finished,
    /// It was stopped. If it was working on a run, that run is back in the queue.
    Stopped { requeued: Option<TaskId> },
}

/// An event to show to the user.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerEvent {
    WaitingForDevice {
        device: String,
        /// The worker that has the lease of the device.
        owner: String,
    },
    Started {
        task: TaskId,
        /// How many pictures the run still needs.
        pictures: usize,
    },
    Ended {
        task: TaskId,
        state: RunState,
        /// How many pictures the run has.
        pictures: usize,
        seconds: f64,
        error: Option<String>,
    },
    /// The run was taken from this worker.
    Lost {
        task: TaskId,
    },
    /// A note about a run that continues.
    Note {
        task: TaskId,
        text: String,
    },
    Paused {
        reason: String,
    },
    Resumed,
}

impl fmt::Display for WorkerEvent {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        match self {
            Self::WaitingForDevice { device, owner } => {
                write!(f, "waiting for {device}: worker {owner} has its lease")
            }
            Self::Started { task, pictures } => {
                write!(f, "{task}: started, {pictures} picture{} to generate", plural(pictures))
            }
            Self::Ended { task, state, pictures, seconds, error } => {
                write!(f, "{task}: {state}, {pictures} picture{}, {seconds:.1} s", plural(pictures))?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::Lost { task } => write!(f, "{task}: cancelled, deleted or taken over by another worker"),
            Self::Note { task, text } => write!(f, "{task}: {text}"),
            Self::Paused { reason } => write!(f, "queue paused: {reason}"),
            Self::Resumed => f.write_str("queue resumed"),
        }
    }
}
