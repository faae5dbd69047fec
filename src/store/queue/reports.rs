//! What workers say about themselves, and releasing the leases of dead ones.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Row;

use super::claims::release_expired;
use crate::store::columns::{Time, bad, named};
use crate::store::{Durability, Error, Reader, Result, Store, subjects};
use crate::studio::ids::RunId;
use crate::studio::subject::TaskId;
use crate::studio::text;
use crate::studio::worker::{Activity, Process, WorkerReport};

/// Reports of workers that have been silent for so many leases are deleted.
const FORGOTTEN_AFTER: u32 = 20;

impl Store {
    /// Records what a worker does. Its earlier report is replaced.
    pub fn report_worker(&self, report: &WorkerReport) -> Result<()> {
        self.write(Durability::Soon, |transaction| {
            transaction
                .prepare_cached("DELETE FROM worker_reports WHERE heartbeat + lease_length * ?1 < ?2")?
                .execute((FORGOTTEN_AFTER, Time(report.heartbeat)))?;
            let lease = i64::try_from(report.lease.as_millis()).unwrap_or(i64::MAX);
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO worker_reports
                     (owner, device, host, pid, process, started, activity, run_id, detail, since, heartbeat, lease_length)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute((
                    &report.owner,
                    &report.device,
                    &report.process.host,
                    report.process.pid,
                    &report.process.identity,
                    Time(report.started),
                    report.activity.name(),
                    report.run.as_ref().map(|(run, _)| run.0),
                    text::clean(&report.detail),
                    Time(report.since),
                    Time(report.heartbeat),
                    lease,
                ))?;
            Ok(())
        })
    }

    /// Deletes the report of a worker that has ended.
    pub fn end_worker(&self, owner: &str) -> Result<()> {
        self.write(Durability::Soon, |transaction| {
            transaction.execute("DELETE FROM worker_reports WHERE owner = ?1", [owner])?;
            Ok(())
        })
    }

    /// Releases all leases of a worker whose process is dead: its device is free, and its run returns to the queue.
    pub fn release_worker(&self, owner: &str, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            transaction.execute("DELETE FROM worker_reports WHERE owner = ?1", [owner])?;
            transaction.execute("DELETE FROM workers WHERE owner = ?1", [owner])?;
            transaction
                .execute("UPDATE runs SET lease = ?2 WHERE owner = ?1 AND lease IS NOT NULL", (owner, Time(at)))?;
            release_expired(transaction, at)?;
            Ok(())
        })
    }
}

impl Reader {
    /// The workers of this project, in the order of their start.
    pub fn workers(&self) -> Result<Vec<WorkerReport>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT worker_reports.*, runs.number, subjects.handle FROM worker_reports
                 LEFT JOIN runs ON runs.id = worker_reports.run_id
                 LEFT JOIN subjects ON subjects.id = runs.subject_id
                 ORDER BY worker_reports.started, owner",
            )?;
            statement.query_and_then([], report)?.collect()
        })
    }
}

fn report(row: &Row<'_>) -> Result<WorkerReport> {
    let time = |column: &str| Ok::<_, Error>(row.get::<_, Time>(column)?.0);
    let run = row.get::<_, Option<i64>>("run_id")?.map(RunId);
    let number = row.get::<_, Option<u32>>("number")?;
    let task = number.map(|number| Ok::<_, Error>(TaskId { subject: subjects::handle(row, "handle")?, number }));
    let lease = row.get::<_, i64>("lease_length")?;
    Ok(WorkerReport {
        owner: row.get("owner")?,
        device: row.get("device")?,
        process: Process { host: row.get("host")?, pid: row.get("pid")?, identity: row.get("process")? },
        started: time("started")?,
        activity: named(row, "activity", Activity::from_name)?,
        run: run.zip(task.transpose()?),
        detail: row.get("detail")?,
        since: time("since")?,
        heartbeat: time("heartbeat")?,
        lease: Duration::from_millis(u64::try_from(lease).map_err(|error| bad("lease_length", error))?),
    })
}
