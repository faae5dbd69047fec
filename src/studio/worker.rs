//! What a worker says about itself, for everybody who waits for it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use strum::{EnumCount, EnumString, IntoStaticStr, VariantArray};

use super::ids::RunId;
use super::names::named;
use super::subject::TaskId;

/// A worker's report: which process it is, what it does, and why it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerReport {
    /// The worker's unique name, which its leases carry.
    pub owner: String,
    /// The device it works on or waits for.
    pub device: String,
    pub process: Process,
    /// When it started.
    pub started: Timestamp,
    pub activity: Activity,
    /// The run it works on, if that still exists.
    pub run: Option<(RunId, TaskId)>,
    /// Why it waits, in one sentence; may be empty.
    pub detail: String,
    /// Since when it does this.
    pub since: Timestamp,
    pub heartbeat: Timestamp,
    /// How long its leases last after a heartbeat.
    pub lease: Duration,
}

/// A process of this machine or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The machine's name.
    pub host: String,
    pub pid: u32,
    /// Tells the process from all others that had or will have this pid. Empty if the system offers nothing.
    pub identity: String,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Activity {
    Starting,
    /// Another worker has the device.
    WaitingForDevice,
    /// No run is queued.
    Idle,
    /// The queue is paused.
    Paused,
    Working,
    /// It stopped after an error and tries again.
    Restarting,
}

named!(Activity);

impl fmt::Display for WorkerReport {
    /// Names the worker by its process and device.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} on {}, {}", self.process.pid, self.process.host, self.device)
    }
}

impl WorkerReport {
    /// Whether its heartbeats have stopped: it is dead, suspended or cut off.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        now.duration_since(self.heartbeat).unsigned_abs() > self.lease
    }

    /// What it does, in a few words.
    pub fn describe(&self, now: Timestamp) -> String {
        if self.is_silent(now) {
            return format!("no heartbeat for {} s", now.duration_since(self.heartbeat).unsigned_abs().as_secs());
        }
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", self.detail) };
        match (self.activity, &self.run) {
            (Activity::Working, Some((_, task))) => format!("working on {task}"),
            (Activity::Working, None) => "working".to_owned(),
            (Activity::Starting, _) => "starting".to_owned(),
            (Activity::WaitingForDevice, _) => format!("waiting for the device{detail}"),
            (Activity::Idle, _) => "idle".to_owned(),
            (Activity::Paused, _) => format!("paused{detail}"),
            (Activity::Restarting, _) => format!("restarting after an error{detail}"),
        }
    }
}
