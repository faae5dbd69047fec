//! Cancels, retries and reorders runs in the queue.

use jiff::Timestamp;
use rusqlite::Connection;

use super::claims::end;
use crate::store::{Durability, Result, Store, references, runs};
use crate::studio::ids::RunId;
use crate::studio::rules::Refusal;
use crate::studio::state::{Priority, RunState};

impl Store {
    /// Cancels a run that has not ended, and returns its state. A running run is only marked: its worker stops after the
    /// current step.
    pub fn cancel(&self, run: RunId, at: Timestamp) -> Result<RunState> {
        self.write(Durability::Full, |transaction| {
            let found = runs::by_id(transaction, run)?;
            match found.state {
                RunState::Running => {
                    transaction.execute("UPDATE runs SET cancel_requested = 1 WHERE id = ?1", [run.0])?;
                    Ok(RunState::Running)
                }
                RunState::Draft | RunState::Queued | RunState::Interrupted => {
                    end(transaction, run, RunState::Cancelled, None, at)?;
                    Ok(RunState::Cancelled)
                }
                state => {
                    let allowed = "there is nothing left to cancel";
                    Err(Refusal::RunState { task: found.task, state, allowed }.into())
                }
            }
        })
    }

    /// Puts a failed or cancelled run at the end of the queue. Its outputs stay and are not made again.
    pub fn requeue(&self, run: RunId, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let found = runs::by_id(transaction, run)?;
            if !matches!(found.state, RunState::Failed | RunState::Cancelled) {
                let allowed = "only a failed or cancelled run can be queued again";
                return Err(Refusal::RunState { task: found.task, state: found.state, allowed }.into());
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

    /// Changes the priority of a queued run.
    pub fn set_priority(&self, run: RunId, priority: Priority) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            place_of_queued(transaction, run)?;
            transaction.execute("UPDATE runs SET priority = ?2 WHERE id = ?1", (run.0, priority as i64))?;
            Ok(())
        })
    }

    /// Moves a queued run right before another, and gives it the other's priority.
    pub fn move_before(&self, run: RunId, other: RunId) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            place_of_queued(transaction, run)?;
            if run == other {
                return Ok(());
            }
            let (priority, place) = place_of_queued(transaction, other)?;
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
}

/// The priority and place of a queued run. Fails for runs in other states.
fn place_of_queued(connection: &Connection, run: RunId) -> Result<(i64, i64)> {
    let found = runs::by_id(connection, run)?;
    if found.state != RunState::Queued {
        let allowed = "only a queued run can be moved";
        return Err(Refusal::RunState { task: found.task, state: found.state, allowed }.into());
    }
    let sql = "SELECT priority, place FROM runs WHERE id = ?1";
    Ok(connection.query_row(sql, [run.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
