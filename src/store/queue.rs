//! Handing runs to workers, so that each is done exactly once whatever dies in between.
//!
//! A worker claims a run and holds it by a lease that its heartbeats renew. Everything it writes carries its name and the
//! number of the attempt; once the lease has gone to another, or the run is cancelled or deleted, that is refused.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::studio::ids::RunId;
use crate::studio::rules::Refusal;
use crate::studio::run::{ModelHashes, Priority, Run, State, Timings};
use crate::studio::subject::TaskId;
use crate::studio::text;

use super::columns::{Hash, Time, to_json};
use super::{Durability, Error, Reader, Result, Store, references, runs};

/// A worker's hold on a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub run: RunId,
    pub task: TaskId,
    pub owner: String,
    pub attempt: u32,
    /// How long the hold lasts from each heartbeat on; beat at a third of it.
    pub lease: Duration,
}

/// A run that was claimed, and where to go on with it.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub claim: Claim,
    pub run: Run,
    /// Seeds whose pictures are stored already, by an earlier attempt.
    pub done: Vec<u64>,
    pub resume: Option<ResumePoint>,
}

/// The state in the middle of a run, as its worker wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    pub step: u32,
    pub data: Vec<u8>,
}

/// What there is to do.
#[derive(Clone, Debug)]
pub enum Next {
    Run(Box<Claimed>),
    Empty,
    /// The queue stands still, and why.
    Paused(String),
}

/// How far a run has come, with a heartbeat.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// Steps done, and of how many, over all seeds.
    pub step: u32,
    pub steps: u32,
    /// A small picture (an encoded file).
    pub preview: Option<Vec<u8>>,
}

/// What a worker is told in return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub cancel_requested: bool,
}

/// What is known of a run when it is done.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    pub timings: Timings,
    /// In bytes.
    pub peak_memory: Option<u64>,
}

impl Store {
    /// Takes the next run: of the highest priority the one that waits longest. Runs whose lease is over come back
    /// first; a run whose reference may not be used any more fails with that rule instead of being handed out.
    pub fn claim(&self, owner: &str, lease: Duration, at: Timestamp) -> Result<Next> {
        self.write(Durability::Full, |transaction| {
            if let Some(reason) = paused(transaction)? {
                return Ok(Next::Paused(reason));
            }
            release_expired(transaction, at)?;
            loop {
                let Some(id) = take(transaction, owner, lease, at)? else { return Ok(Next::Empty) };
                let run = runs::by_id(transaction, id)?;
                if let Some(reference) = run.recipe.reference
                    && let Err(error) = references::usable(transaction, reference, run.subject, at)
                {
                    let Error::Refused(refusal) = error else { return Err(error) };
                    end(transaction, id, State::Failed, Some(&format!("{}: {refusal}", refusal.rule())), at)?;
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

    /// Renews the lease and tells how far the run has come. Costs no wait for the disk.
    pub fn heartbeat(&self, claim: &Claim, beat: &Beat, at: Timestamp) -> Result<Told> {
        self.write(Durability::Soon, |transaction| {
            let told = transaction
                .prepare_cached(
                    "UPDATE runs SET heartbeat = ?4, lease = ?5, step = ?6, steps_in_all = ?7
                     WHERE id = ?1 AND owner = ?2 AND attempt = ?3 AND state = 'running' RETURNING cancel_requested",
                )?
                .query_row(
                    (claim.run.0, &claim.owner, claim.attempt, Time(at), until(at, claim.lease), beat.step, beat.steps),
                    |row| row.get(0),
                )
                .optional()?;
            let cancel_requested = told.ok_or_else(|| Error::LostLease { task: claim.task.clone() })?;
            if let Some(picture) = &beat.preview {
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO previews (run_id, step, picture, written) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute((claim.run.0, beat.step, picture, Time(at)))?;
            }
            Ok(Told { cancel_requested })
        })
    }

    /// Keeps the state in the middle of a run. A power cut may cost the newest one; a crash does not.
    pub fn save_resume_point(&self, claim: &Claim, point: &ResumePoint, at: Timestamp) -> Result<()> {
        self.write(Durability::Soon, |transaction| {
            held(transaction, claim)?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO resume_points (run_id, step, data, written) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((claim.run.0, point.step, &point.data, Time(at)))?;
            progressed(transaction, claim)
        })
    }

    /// Keeps the hashes of the files that a run is made with.
    pub fn set_model_hashes(&self, claim: &Claim, hashes: &ModelHashes) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            held(transaction, claim)?;
            transaction.execute(
                "UPDATE runs SET checkpoint_hash = ?2, adapter_hash = ?3, image_encoder_hash = ?4 WHERE id = ?1",
                (claim.run.0, hashes.checkpoint.map(Hash), hashes.adapter.map(Hash), hashes.image_encoder.map(Hash)),
            )?;
            Ok(())
        })
    }

    /// Every seed has its picture.
    pub fn complete(&self, claim: &Claim, finish: &Finish, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            held(transaction, claim)?;
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
            end(transaction, claim.run, State::Done, None, at)
        })
    }

    /// The run cannot be done, and why, in a sentence; what it has made so far stays.
    pub fn fail(&self, claim: &Claim, reason: &str, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            held(transaction, claim)?;
            end(transaction, claim.run, State::Failed, Some(&text::clean(reason)), at)
        })
    }

    /// The worker stopped because it was told to cancel.
    pub fn cancelled(&self, claim: &Claim, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            held(transaction, claim)?;
            end(transaction, claim.run, State::Cancelled, None, at)
        })
    }

    /// The worker itself has to stop: the run comes back at once, and this attempt does not count against it.
    pub fn interrupt(&self, claim: &Claim, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            held(transaction, claim)?;
            transaction.execute(
                "UPDATE runs SET state = 'interrupted', owner = NULL, lease = ?2, attempts_left = attempts_left + 1
                 WHERE id = ?1",
                (claim.run.0, Time(at)),
            )?;
            Ok(())
        })
    }

    /// Runs whose worker has not been heard of in time go back to the queue, or have failed if they were begun too often
    /// without getting further. Claiming does this too; a screen calls it to show the truth. Gives the runs that came
    /// back and those that failed.
    pub fn release_expired(&self, at: Timestamp) -> Result<(usize, usize)> {
        self.write(Durability::Full, |transaction| release_expired(transaction, at))
    }

    /// Cancels a run: at once while it waits, between two steps while it runs. Gives its state.
    pub fn cancel(&self, run: RunId, at: Timestamp) -> Result<State> {
        self.write(Durability::Full, |transaction| {
            let found = runs::by_id(transaction, run)?;
            match found.state {
                State::Running => {
                    transaction.execute("UPDATE runs SET cancel_requested = 1 WHERE id = ?1", [run.0])?;
                    Ok(State::Running)
                }
                State::Draft | State::Queued | State::Interrupted => {
                    end(transaction, run, State::Cancelled, None, at)?;
                    Ok(State::Cancelled)
                }
                state => {
                    let wish = "there is nothing left to cancel";
                    Err(Refusal::RunState { task: found.task, state, wish }.into())
                }
            }
        })
    }

    /// Puts a failed or cancelled run at the end of the queue again; what it has made counts.
    pub fn requeue(&self, run: RunId, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let found = runs::by_id(transaction, run)?;
            if !matches!(found.state, State::Failed | State::Cancelled) {
                let wish = "only a failed or cancelled run can be queued again";
                return Err(Refusal::RunState { task: found.task, state: found.state, wish }.into());
            }
            if let Some(reference) = found.recipe.reference {
                references::usable(transaction, reference, found.subject, at)?;
            }
            transaction.execute(
                "UPDATE runs SET state = 'queued', place = ?2, attempts_left = attempts_allowed, error = NULL,
                                 finished = NULL, cancel_requested = 0 WHERE id = ?1",
                (run.0, runs::next_place(transaction)?),
            )?;
            Ok(())
        })
    }

    pub fn set_priority(&self, run: RunId, priority: Priority) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            waiting(transaction, run)?;
            transaction.execute("UPDATE runs SET priority = ?2 WHERE id = ?1", (run.0, priority as i64))?;
            Ok(())
        })
    }

    /// Moves a waiting run right before another, and into its priority.
    pub fn move_before(&self, run: RunId, other: RunId) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            waiting(transaction, run)?;
            if run == other {
                return Ok(());
            }
            let (priority, place) = waiting(transaction, other)?;
            transaction.execute(
                "UPDATE runs SET place = place + 1 WHERE state = 'queued' AND priority = ?1 AND (place, id) >= (?2, ?3)",
                (priority, place, other.0),
            )?;
            transaction.execute(
                "UPDATE runs SET priority = ?2, place = ?3 WHERE id = ?1",
                (run.0, priority, place),
            )?;
            transaction.execute(
                "UPDATE queue SET next_place = max(next_place, (SELECT max(place) + 1 FROM runs WHERE state = 'queued'))",
                [],
            )?;
            Ok(())
        })
    }

    /// Makes the queue stand still: no run is handed out, those under way go on.
    pub fn pause(&self, reason: &str, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let reason = text::clean(reason);
            transaction.execute("UPDATE queue SET paused = ?1, pause_reason = ?2", (Time(at), reason))?;
            Ok(())
        })
    }

    pub fn unpause(&self) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            transaction.execute("UPDATE queue SET paused = NULL, pause_reason = NULL", [])?;
            Ok(())
        })
    }

    /// Takes a device for a worker, or keeps it; refused while another worker's hold on it lasts.
    pub fn hold_device(&self, device: &str, owner: &str, lease: Duration, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let sql = "INSERT INTO workers (device, owner, lease) VALUES (?1, ?2, ?3)
                       ON CONFLICT DO UPDATE SET owner = ?2, lease = ?3 WHERE owner = ?2 OR lease <= ?4";
            if transaction.prepare_cached(sql)?.execute((device, owner, until(at, lease), Time(at)))? == 1 {
                return Ok(());
            }
            let sql = "SELECT owner FROM workers WHERE device = ?1";
            let owner = transaction.query_row(sql, [device], |row| row.get(0))?;
            Err(Error::DeviceTaken { device: device.to_owned(), owner })
        })
    }

    pub fn release_device(&self, device: &str, owner: &str) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            transaction.execute("DELETE FROM workers WHERE device = ?1 AND owner = ?2", (device, owner))?;
            Ok(())
        })
    }
}

impl Reader {
    /// The runs under way, then those that wait, in the order they will be taken.
    pub fn queue(&self, limit: u32) -> Result<Vec<Run>> {
        self.read(|connection| {
            let mut found = Vec::new();
            for filter in [
                // The plus keeps SQLite from walking all runs in the order of their ids.
                "lease > 0 ORDER BY +runs.id",
                "state = 'queued' ORDER BY runs.priority DESC, runs.place, runs.id",
            ] {
                let sql = format!("{} WHERE runs.{filter} LIMIT ?1", runs::SELECT);
                let mut statement = connection.prepare_cached(&sql)?;
                let more: Result<Vec<Run>> = statement.query_and_then([limit], runs::run)?.collect();
                found.extend(more?);
            }
            found.truncate(limit as usize);
            Ok(found)
        })
    }

    /// Those of the newest 5,000 runs that ended without being done, the last first.
    pub fn stopped(&self, limit: u32) -> Result<Vec<Run>> {
        self.read(|connection| {
            let filter = "WHERE runs.state IN ('failed', 'cancelled')
                            AND runs.id > (SELECT max(id) FROM runs) - 5000 ORDER BY runs.finished DESC LIMIT ?1";
            let mut statement = connection.prepare_cached(&format!("{} {filter}", runs::SELECT))?;
            statement.query_and_then([limit], runs::run)?.collect()
        })
    }

    /// Why the queue stands still, if it does.
    pub fn paused(&self) -> Result<Option<String>> {
        self.read(paused)
    }

    /// The newest small picture of a run under way, and the step it shows.
    pub fn preview(&self, run: RunId) -> Result<Option<(u32, Vec<u8>)>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT step, picture FROM previews WHERE run_id = ?1")?;
            Ok(statement.query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
    }
}

/// Claims in one statement, so that two workers can never take one run.
fn take(connection: &Connection, owner: &str, lease: Duration, at: Timestamp) -> Result<Option<RunId>> {
    let mut statement = connection.prepare_cached(
        "UPDATE runs SET state = 'running', owner = ?1, lease = ?2, heartbeat = ?3, started = coalesce(started, ?3),
                         attempt = attempt + 1, attempts_left = attempts_left - 1
         WHERE id = (SELECT id FROM runs WHERE state = 'queued' ORDER BY priority DESC, place, id LIMIT 1)
         RETURNING id",
    )?;
    Ok(statement.query_row((owner, until(at, lease), Time(at)), |row| row.get(0).map(RunId)).optional()?)
}

fn release_expired(connection: &Connection, at: Timestamp) -> Result<(usize, usize)> {
    // A run that was to be cancelled and whose worker died is cancelled now.
    connection
        .prepare_cached(
            "UPDATE runs SET state = 'cancelled', owner = NULL, lease = NULL, finished = ?1
             WHERE lease <= ?1 AND cancel_requested = 1",
        )?
        .execute([Time(at)])?;
    let failed = connection
        .prepare_cached(
            "UPDATE runs SET state = 'failed', owner = NULL, lease = NULL, finished = ?1,
                             error = 'its worker died in ' || attempt || ' attempts, the last ones without any progress; ' ||
                                     'look into the log, then queue it again'
             WHERE lease <= ?1 AND attempts_left <= 0",
        )?
        .execute([Time(at)])?;
    let back = connection
        .prepare_cached("UPDATE runs SET state = 'queued', owner = NULL, lease = NULL WHERE lease <= ?1")?
        .execute([Time(at)])?;
    // What only served the way there: previews of runs that stand still, latents of runs that are over.
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
    Ok((back, failed))
}

/// Refuses what is written under a claim that is lost.
pub(super) fn held(connection: &Connection, claim: &Claim) -> Result<()> {
    let held = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND owner = ?2 AND attempt = ?3 AND state = 'running')",
        )?
        .query_row((claim.run.0, &claim.owner, claim.attempt), |row| row.get(0))?;
    if held { Ok(()) } else { Err(Error::LostLease { task: claim.task.clone() }) }
}

/// Something of a run is safe: its attempts are counted afresh.
pub(super) fn progressed(connection: &Connection, claim: &Claim) -> Result<()> {
    connection
        .prepare_cached("UPDATE runs SET attempts_left = attempts_allowed WHERE id = ?1")?
        .execute([claim.run.0])?;
    Ok(())
}

/// Ends a run, and drops what only served its way there.
pub(super) fn end(connection: &Connection, run: RunId, state: State, error: Option<&str>, at: Timestamp) -> Result<()> {
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

/// The priority and place of a run that waits; others cannot be moved.
fn waiting(connection: &Connection, run: RunId) -> Result<(i64, i64)> {
    let found = runs::by_id(connection, run)?;
    if found.state != State::Queued {
        let wish = "only a run that waits can be moved";
        return Err(Refusal::RunState { task: found.task, state: found.state, wish }.into());
    }
    let sql = "SELECT priority, place FROM runs WHERE id = ?1";
    Ok(connection.query_row(sql, [run.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn paused(connection: &Connection) -> Result<Option<String>> {
    let sql = "SELECT pause_reason FROM queue WHERE paused IS NOT NULL";
    let reason: Option<Option<String>> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(reason.map(Option::unwrap_or_default))
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

fn until(at: Timestamp, lease: Duration) -> i64 {
    at.as_millisecond().saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}
