//! Tells the project's other processes what this worker does.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, info};
use uuid::Uuid;

use super::process;
use super::shared::Shared;
use super::state::WorkerState;
use crate::store::{self, Reader, Store};
use crate::studio::ids::RunId;
use crate::studio::worker::{Activity, WorkerReport};

/// Writes a worker's report when its state changes, and deletes it at the end.
pub(super) struct Reporter<'a> {
    store: &'a Store,
    shared: &'a Shared,
    report: WorkerReport,
    written: Option<Instant>,
}

impl<'a> Reporter<'a> {
    pub fn new(store: &'a Store, shared: &'a Shared, device: &str, lease: Duration) -> Self {
        let (process, now) = (process::current(), Timestamp::now());
        // Machine and process for people, and a few digits for workers that share both.
        let digits = Uuid::now_v7().simple().to_string();
        let owner = format!("{}-{}-{}", process.host, process.pid, &digits[digits.len() - 4..]);
        let report = WorkerReport {
            owner,
            device: device.to_owned(),
            process,
            started: now,
            activity: Activity::Starting,
            run: None,
            detail: String::new(),
            since: now,
            heartbeat: now,
            lease,
        };
        let mut reporter = Self { store, shared, report, written: None };
        reporter.write();
        reporter
    }

    pub fn owner(&self) -> &str {
        &self.report.owner
    }

    /// Sets the worker's state, and reports it if it changed or is old. Returns whether it changed. While the worker has
    /// its device, the heartbeats for that keep the report fresh.
    pub fn set(&mut self, state: WorkerState, run: Option<RunId>) -> bool {
        let has_changed = self.shared.set_state(state.clone()) != state;
        let is_old = self.written.is_none_or(|at| at.elapsed() > self.report.lease / 3);
        if has_changed {
            (self.report.activity, self.report.detail) = activity(&state);
            self.report.run = match (run, state) {
                (Some(run), WorkerState::Working(task)) => Some((run, task)),
                _ => None,
            };
            self.report.since = Timestamp::now();
        }
        if has_changed || is_old {
            self.write();
        }
        has_changed
    }

    /// Deletes the report.
    pub fn end(&self) {
        // If this fails, the report is silent soon.
        let _ = self.store.end_worker(self.owner());
    }

    /// Nothing depends on a report, so the worker goes on if it cannot be written.
    fn write(&mut self) {
        self.report.heartbeat = Timestamp::now();
        self.written = Some(Instant::now());
        if let Err(error) = self.store.report_worker(&self.report) {
            debug!(%error, "report not written");
        }
    }
}

/// Releases the leases of workers whose process on this machine is dead, before they expire. Returns how many.
pub fn release_dead_workers(store: &Store, reader: &Reader) -> store::Result<usize> {
    let reports = reader.workers()?;
    let dead: Vec<_> = reports.iter().filter(|report| process::is_dead(&report.process)).collect();
    for report in &dead {
        store.release_worker(&report.owner, Timestamp::now())?;
        info!(pid = report.process.pid, "released the leases of a dead worker");
    }
    Ok(dead.len())
}

fn activity(state: &WorkerState) -> (Activity, String) {
    match state {
        WorkerState::Starting | WorkerState::Ended => (Activity::Starting, String::new()),
        WorkerState::WaitingForDevice { owner } => (Activity::WaitingForDevice, format!("worker {owner} has it")),
        WorkerState::Idle => (Activity::Idle, String::new()),
        WorkerState::Paused(reason) => (Activity::Paused, reason.clone()),
        WorkerState::Working(_) => (Activity::Working, String::new()),
        WorkerState::Restarting(error) => (Activity::Restarting, error.clone()),
    }
}
