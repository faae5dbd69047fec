//! Runs as the history keeps them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::delta::Delta;
use super::ids::{RunId, SubjectId};
use super::recipe::{ModelHashes, Recipe};
use super::seeds::Seeds;
use super::state::{Priority, RunState};
use super::subject::TaskId;

/// How many seconds each part of a run took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    pub load_s: f64,
    pub encode_s: f64,
    pub denoise_s: f64,
    pub decode_s: f64,
    /// Storing, and everything else the worker does.
    pub other_s: f64,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub uuid: Uuid,
    pub task: TaskId,
    pub subject: SubjectId,
    pub parent: Option<RunId>,
    pub recipe: Recipe,
    pub seeds: Seeds,
    /// What the run is tuned for, such as `balanced` or `identity-first`.
    pub profile: Option<String>,
    /// What changed against the parent when the run was made; `None` without a parent.
    pub delta: Option<Delta>,
    pub debug_reason: Option<String>,
    pub diagnosis: String,
    pub hashes: ModelHashes,
    pub state: RunState,
    pub progress: Progress,
    pub error: Option<String>,
    pub timings: Option<Timings>,
    /// In bytes.
    pub peak_memory: Option<u64>,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
}

/// The part of a run that its worker updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub priority: Priority,
    /// How many times a worker started it.
    pub attempt: u32,
    pub owner: Option<String>,
    pub heartbeat: Option<Timestamp>,
    /// Steps done, over all seeds.
    pub step: u32,
    /// Steps in total, over all seeds.
    pub steps: u32,
    pub cancel_requested: bool,
}
