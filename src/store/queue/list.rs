//! Reading the queue.

use rusqlite::OptionalExtension;

use crate::store::{Reader, Result, runs};
use crate::studio::ids::RunId;
use crate::studio::run::Run;

/// How many of the newest runs [`Reader::stopped`] looks through.
const NEWEST: u32 = 5000;

impl Reader {
    /// Running and interrupted runs, then queued runs in the order in which they will be claimed.
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

    /// Failed and cancelled runs among the newest 5,000 runs, the last stopped first.
    pub fn stopped(&self, limit: u32) -> Result<Vec<Run>> {
        self.read(|connection| {
            let filter = format!(
                "WHERE runs.state IN ('failed', 'cancelled') AND runs.id > (SELECT max(id) FROM runs) - {NEWEST}
                 ORDER BY runs.finished DESC LIMIT ?1"
            );
            let mut statement = connection.prepare_cached(&format!("{} {filter}", runs::SELECT))?;
            statement.query_and_then([limit], runs::run)?.collect()
        })
    }

    /// The newest preview of a running run, with its step.
    pub fn preview(&self, run: RunId) -> Result<Option<(u32, Vec<u8>)>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT step, picture FROM previews WHERE run_id = ?1")?;
            Ok(statement.query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
    }
}
