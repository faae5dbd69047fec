//! Pausing the queue: no run is claimed, and running runs continue.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::store::columns::{Time, named};
use crate::store::{Durability, Reader, Result, Store};
use crate::studio::queue::{Pause, PauseReason};
use crate::studio::text;

impl Store {
    /// Pauses the queue. A user's pause replaces any other; a full disk does not replace a user's pause, because the
    /// queue must not resume by itself then.
    pub fn pause(&self, reason: PauseReason, message: &str, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let sql = "UPDATE queue SET paused = ?1, pause_reason = ?2, pause_message = ?3
                       WHERE ?2 = 'user' OR pause_reason IS NULL OR pause_reason <> 'user'";
            transaction.execute(sql, (Time(at), reason.name(), text::clean(message)))?;
            Ok(())
        })
    }

    /// Resumes the queue.
    pub fn resume(&self) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            transaction.execute("UPDATE queue SET paused = NULL, pause_reason = NULL, pause_message = ''", [])?;
            Ok(())
        })
    }
}

impl Reader {
    /// The current pause of the queue, if it is paused.
    pub fn paused(&self) -> Result<Option<Pause>> {
        self.read(paused)
    }
}

pub(super) fn paused(connection: &Connection) -> Result<Option<Pause>> {
    let sql = "SELECT paused, pause_reason, pause_message FROM queue WHERE paused IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query_and_then([], |row| {
        Ok(Pause {
            since: row.get::<_, Time>("paused")?.0,
            reason: named(row, "pause_reason", PauseReason::from_name)?,
            message: row.get("pause_message")?,
        })
    })?;
    found.next().transpose()
}
