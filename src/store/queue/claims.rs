//! A worker's operations on a run: claim it, renew its lease, save its progress, end it.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::pause::paused;
use crate::store::columns::{Hash, Time, to_json};
use crate::store::{Durability, Error, Result, Store, references, runs};
use crate::studio::ids::RunId;
use crate::studio::queue::Pause;
use crate::studio::recipe::ModelHashes;
use crate::studio::run::{Run, Timings};
use crate::studio::state::RunState;
use crate::studio::subject::TaskId;
use crate::studio::text;

/// A worker's lease on a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub run: RunId,
    pub task: TaskId,
    pub owner: String,
    pub attempt: u32,
    /// How long the lease lasts after each heartbeat. Workers send one every third of it.
    pub lease: Duration,
}

/// A claimed run, and where to continue with it.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub claim: Claim,
    pub run: Run,
    /// Seeds whose outputs an earlier attempt has stored.
    pub done: Vec<u64>,
    pub resume: Option<ResumePoint>,
}

/// A saved state in the middle of a run, in the worker's own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    pub step: u32,
    pub data: Vec<u8>,
}

/// The result of [`Store::claim`].
#[derive(Clone, Debug)]
pub enum Next {
    Run(Box<Claimed>),
    /// No run is queued.
    Empty,
    Paused(Pause),
}

/// Progress of a run.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat {
    /// Steps done, over all seeds.
    pub step: u32,
    /// Steps to do, over all seeds.
    pub steps: u32,
    /// A small image of the current state, encoded as a file.
    pub preview: Option<Vec<u8>>,
}

/// The store's answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatReply {
    pub cancel_requested: bool,
}

/// Measurements of a finished run.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    pub timings: Timings,
    /// In bytes.
    pub peak_memory: Option<u64>,
}

impl Store {
    /// Claims the next run: the one of highest priority that was queued first. Expired leases are released before that.
    /// A run whose reference must not be used any more is marked failed and skipped.
    pub fn claim(&self, owner: &str, lease: Duration, at: Timestamp) -> Result<Next> {
        self.write(Durability::Full, |transaction| {
            if let Some(pause) = paused(transaction)? {
                return Ok(Next::Paused(pause));
            }
            release_expired(transaction, at)?;
            loop {
                let Some(id) = take(transaction, owner, lease, at)? else { return Ok(Next::Empty) };
                let run = runs::by_id(transaction, id)?;
                if let Some(reference) = run.recipe.reference
                    && let Err(error) = references::usable(transaction, reference, run.subject, at)
                {
                    let Error::Refused(refusal) = error else { return Err(error) };
                    end(transaction, id, RunState::Failed, Some(&format!("{}: {refusal}", refusal.rule())), at)?;
                    continue;
                }
                let claim = Claim {
                    run: id,
                    task: run.task.clone(),
                    owner: owner.to_owned(),
                    attempt: run.progress.attempt,
                    lease,
                };
                let (done, resume) = (seeds_done(transaction, id)?, resume_point(transaction, id)?);
                return Ok(Next::Run(Box::new(Claimed { claim, run, done, resume })));
            }
        })
    }

    /// Renews the lease and records progress. Does not wait for the disk.
    pub fn heartbeat(&self, claim: &Claim, beat: &Heartbeat, at: Timestamp) -> Result<HeartbeatReply> {
        self.write(Durability::Soon, |transaction| {
            let cancel_requested = transaction
                .prepare_cached(
                    "UPDATE runs SET heartbeat = ?4, lease = ?5, step = ?6, steps_in_all = ?7
                     WHERE id = ?1 AND owner = ?2 AND attempt = ?3 AND state = 'running' RETURNING cancel_requested",
                )?
                .query_row(
                    (
                        claim.run.0,
                        &claim.owner,
                        claim.attempt,
                        Time(at),
                        lease_end(at, claim.lease),
                        beat.step,
                        beat.steps,
                    ),
                    |row| row.get(0),
                )
                .optional()?
                .ok_or_else(|| Error::LostLease { task: claim.task.clone() })?;
            if let Some(picture) = &beat.preview {
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO previews (run_id, step, picture, written) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute((claim.run.0, beat.step, picture, Time(at)))?;
            }
            Ok(HeartbeatReply { cancel_requested })
        })
    }

    /// Saves the state in the middle of a run. It survives a crash of the program; a power cut may lose it.
    pub fn save_resume_point(&self, claim: &Claim, point: &ResumePoint, at: Timestamp) -> Result<()> {
        self.write(Durability::Soon, |transaction| {
            check_lease(transaction, claim)?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO resume_points (run_id, step, data, written) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((claim.run.0, point.step, &point.data, Time(at)))?;
            reset_attempts(transaction, claim)
        })
    }

    /// Records the hashes of the model files that make a run.
    pub fn set_model_hashes(&self, claim: &Claim, hashes: &ModelHashes) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            check_lease(transaction, claim)?;
            transaction.execute(
                "UPDATE runs SET checkpoint_hash = ?2, adapter_hash = ?3, image_encoder_hash = ?4 WHERE id = ?1",
                (claim.run.0, hashes.checkpoint.map(Hash), hashes.adapter.map(Hash), hashes.image_encoder.map(Hash)),
            )?;
            Ok(())
        })
    }

    /// Marks a run as done. Every seed must have its output.
    pub fn complete(&self, claim: &Claim, finish: &Finish, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            check_lease(transaction, claim)?;
            let run = runs::by_id(transaction, claim.run)?;
            let done = seeds_done(transaction, claim.run)?;
            let missing: Vec<u64> = run.seeds.as_slice().iter().copied().filter(|seed| !done.contains(seed)).collect();
            if !missing.is_empty() {
                return Err(Error::Unfinished { task: claim.task.clone(), missing });
            }
            transaction.execute(
                "UPDATE runs SET timings = ?2, peak_memory = ?3, step = steps_in_all WHERE id = ?1",
                (claim.run.0, to_json(&finish.timings)?, finish.peak_memory.map(|bytes| bytes as i64)),
            )?;
            end(transaction, claim.run, RunState::Done, None, at)
        })
    }

    /// Marks a run as failed, with the reason. Its outputs stay.
    pub fn fail(&self, claim: &Claim, reason: &str, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            check_lease(transaction, claim)?;
            end(transaction, claim.run, RunState::Failed, Some(&text::clean(reason)), at)
        })
    }

    /// Marks a run as cancelled, after its worker has stopped.
    pub fn cancelled(&self, claim: &Claim, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            check_lease(transaction, claim)?;
            end(transaction, claim.run, RunState::Cancelled, None, at)
        })
    }

    /// Gives a run back because its worker stops. It keeps its place in the queue, and this attempt does not count.
    pub fn interrupt(&self, claim: &Claim, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            check_lease(transaction, claim)?;
            transaction.execute(
                "UPDATE runs SET state = 'interrupted', owner = NULL, lease = ?2, attempts_left = attempts_left + 1
                 WHERE id = ?1",
                (claim.run.0, Time(at)),
            )?;
            Ok(())
        })
    }

    /// Releases expired leases: their runs are queued again, or fail after too many attempts without progress. A lease
    /// that was renewed further in the future than it lasts is void, because the clock was set back since. Returns how
    /// many runs were queued and how many failed. [`Store::claim`] does this too.
    pub fn release_expired(&self, at: Timestamp) -> Result<(usize, usize)> {
        self.write(Durability::Full, |transaction| release_expired(transaction, at))
    }
}

/// Rejects a write under a lease that is lost.
pub(in crate::store) fn check_lease(connection: &Connection, claim: &Claim) -> Result<()> {
    let is_held = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND owner = ?2 AND attempt = ?3 AND state = 'running')",
        )?
        .query_row((claim.run.0, &claim.owner, claim.attempt), |row| row.get(0))?;
    if is_held { Ok(()) } else { Err(Error::LostLease { task: claim.task.clone() }) }
}

/// Gives a run all its attempts back, after progress was saved.
pub(in crate::store) fn reset_attempts(connection: &Connection, claim: &Claim) -> Result<()> {
    connection
        .prepare_cached("UPDATE runs SET attempts_left = attempts_allowed WHERE id = ?1")?
        .execute([claim.run.0])?;
    Ok(())
}

/// Ends a run and deletes its resume point and preview.
pub(super) fn end(
    connection: &Connection,
    run: RunId,
    state: RunState,
    error: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE runs SET state = ?2, error = ?3, finished = ?4, owner = NULL, lease = NULL, cancel_requested = 0
             WHERE id = ?1",
        )?
        .execute((run.0, state.name(), error, Time(at)))?;
    connection.prepare_cached("DELETE FROM resume_points WHERE run_id = ?1")?.execute([run.0])?;
    connection.prepare_cached("DELETE FROM previews WHERE run_id = ?1")?.execute([run.0])?;
    Ok(())
}

/// When a lease ends, in milliseconds since 1970.
pub(super) fn lease_end(at: Timestamp, lease: Duration) -> i64 {
    at.as_millisecond().saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

/// Claims in one statement, so that two workers can never claim the same run.
fn take(connection: &Connection, owner: &str, lease: Duration, at: Timestamp) -> Result<Option<RunId>> {
    let mut statement = connection.prepare_cached(
        "UPDATE runs SET state = 'running', owner = ?1, lease = ?2, heartbeat = ?3, started = coalesce(started, ?3),
                         attempt = attempt + 1, attempts_left = attempts_left - 1
         WHERE id = (SELECT id FROM runs WHERE state = 'queued' ORDER BY priority DESC, place, id LIMIT 1)
         RETURNING id",
    )?;
    Ok(statement.query_row((owner, lease_end(at, lease), Time(at)), |row| row.get(0).map(RunId)).optional()?)
}

pub(super) fn release_expired(connection: &Connection, at: Timestamp) -> Result<(usize, usize)> {
    connection
        .prepare_cached(
            "UPDATE runs SET lease = ?1 WHERE lease > ?1 AND (state = 'interrupted' OR heartbeat - (lease - heartbeat) > ?1)",
        )?
        .execute([Time(at)])?;
    // The worker died before it saw the cancellation.
    connection
        .prepare_cached(
            "UPDATE runs SET state = 'cancelled', owner = NULL, lease = NULL, finished = ?1
             WHERE lease <= ?1 AND cancel_requested = 1",
        )?
        .execute([Time(at)])?;
    let failed = connection
        .prepare_cached(
            "UPDATE runs SET state = 'failed', owner = NULL, lease = NULL, finished = ?1,
                             error = 'failed after ' || attempt || ' attempts without progress; ' ||
                                     'see the log (`pentimento doctor` names it), then retry'
             WHERE lease <= ?1 AND attempts_left <= 0",
        )?
        .execute([Time(at)])?;
    let queued = connection
        .prepare_cached("UPDATE runs SET state = 'queued', owner = NULL, lease = NULL WHERE lease <= ?1")?
        .execute([Time(at)])?;
    connection
        .prepare_cached(
            "DELETE FROM previews WHERE run_id IN (SELECT id FROM runs WHERE id = run_id AND state <> 'running')",
        )?
        .execute([])?;
    connection
        .prepare_cached(
            "DELETE FROM resume_points WHERE run_id IN
                 (SELECT id FROM runs WHERE id = run_id AND state IN ('done', 'failed', 'cancelled'))",
        )?
        .execute([])?;
    Ok((queued, failed))
}

fn seeds_done(connection: &Connection, run: RunId) -> Result<Vec<u64>> {
    let mut statement = connection.prepare_cached("SELECT seed FROM outputs WHERE run_id = ?1")?;
    let seeds = statement.query_map([run.0], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?;
    Ok(seeds.collect::<rusqlite::Result<_>>()?)
}

fn resume_point(connection: &Connection, run: RunId) -> Result<Option<ResumePoint>> {
    let mut statement = connection.prepare_cached("SELECT step, data FROM resume_points WHERE run_id = ?1")?;
    let point = statement.query_row([run.0], |row| Ok(ResumePoint { step: row.get(0)?, data: row.get(1)? }));
    Ok(point.optional()?)
}
