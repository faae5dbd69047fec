//! Deleting for good: a subject, a right, a reference, with all that came of them.
//!
//! Rows and the list of files to delete are one transaction; files, the search indexes and the database's free space
//! follow, and a crash in between is made good the next time the project is opened. Copies from before migrations hold
//! the same data and go too; backups and bundles that a person made are theirs to delete.

use std::fs;
use std::io::ErrorKind;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::studio::consent::Standing;
use crate::studio::ids::{ConsentId, ReferenceId, SubjectId};
use crate::studio::reference::{Decision, State};
use crate::studio::rules::Refusal;

use super::columns::{Hash, Time};
use super::{Durability, Error, Result, Store, references, subjects};

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    pub references: u64,
    pub runs: u64,
    pub outputs: u64,
    pub reviews: u64,
    /// Files that nothing else needed.
    pub blobs: Vec<blake3::Hash>,
}

/// In `project`: the database's free space still holds what was deleted.
const WIPE: &str = "wipe";

impl Store {
    /// Deletes a subject with everything that is only its own.
    pub fn forget_subject(&self, subject: SubjectId) -> Result<Gone> {
        let gone = self.write(Durability::Full, |transaction| {
            subjects::by_id(transaction, subject)?;
            let count = |sql: &str| {
                Ok::<u64, Error>(transaction.query_one(sql, [subject.0], |row| row.get::<_, i64>(0))?.cast_unsigned())
            };
            let mut gone = Gone {
                references: count("SELECT count(*) FROM refs WHERE subject_id = ?1")?,
                runs: count("SELECT count(*) FROM runs WHERE subject_id = ?1")?,
                outputs: count("SELECT count(*) FROM outputs JOIN runs ON runs.id = run_id WHERE subject_id = ?1")?,
                reviews: count(
                    "SELECT count(*) FROM reviews JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
                     WHERE subject_id = ?1",
                )?,
                blobs: Vec::new(),
            };
            let mut hashes = hashes(transaction, &format!("{REFERENCE_BLOBS} WHERE refs.subject_id = ?1"), subject.0)?;
            hashes.extend(self::hashes(
                transaction,
                &format!("{OUTPUT_BLOBS} JOIN runs ON runs.id = outputs.run_id WHERE runs.subject_id = ?1"),
                subject.0,
            )?);
            transaction.execute("DELETE FROM subjects WHERE id = ?1", [subject.0])?;
            gone.blobs = Self::release_blobs(transaction, &hashes)?;
            wipe_soon(transaction)?;
            Ok(gone)
        })?;
        self.finish_removals()?;
        Ok(gone)
    }

    /// Withdraws a right: the references under it go with all that came of them, as [`Store::withdraw_reference`] says.
    /// That there was such a right, and when it was withdrawn, stays on record.
    pub fn withdraw_consent(&self, consent: ConsentId, at: Timestamp) -> Result<Gone> {
        let gone = self.write(Durability::Full, |transaction| {
            let found = subjects::consent(transaction, consent)?;
            if let Standing::Withdrawn(_) = found.standing(at) {
                return Ok(Gone::default());
            }
            transaction.execute("UPDATE consents SET withdrawn = ?2 WHERE id = ?1", (consent.0, Time(at)))?;
            let mut statement =
                transaction.prepare("SELECT id FROM refs WHERE consent_id = ?1 AND state <> 'withdrawn'")?;
            let references: Vec<i64> =
                statement.query_map([consent.0], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let mut gone = Gone::default();
            for reference in references {
                withdraw(transaction, ReferenceId(reference), at, &mut gone)?;
            }
            wipe_soon(transaction)?;
            Ok(gone)
        })?;
        self.finish_removals()?;
        Ok(gone)
    }

    /// Withdraws a reference: its picture, notes and report go, the pictures made with it and their reviews go, runs
    /// that wait for it go, one that runs with it is cancelled. Runs that are over keep their place in the history,
    /// without pictures.
    pub fn withdraw_reference(&self, reference: ReferenceId, at: Timestamp) -> Result<Gone> {
        let gone = self.write(Durability::Full, |transaction| {
            let found = references::by_id(transaction, reference)?;
            if found.state.after(Decision::Withdraw).is_none() {
                let (state, decision) = (found.state, Decision::Withdraw);
                return Err(Refusal::ReferenceState { reference: found.name, state, decision }.into());
            }
            let mut gone = Gone::default();
            withdraw(transaction, reference, at, &mut gone)?;
            wipe_soon(transaction)?;
            Ok(gone)
        })?;
        self.finish_removals()?;
        Ok(gone)
    }

    /// Rewrites the database without what was deleted, where that is due: search indexes, free pages, the log.
    pub(super) fn wipe_if_due(&self) -> Result<()> {
        self.with_writer(|writer| {
            let due =
                writer.query_row("SELECT 1 FROM project WHERE key = ?1", [WIPE], |_| Ok(())).optional()?.is_some();
            if !due {
                return Ok(());
            }
            for index in ["runs_text", "reviews_text", "refs_text"] {
                writer.execute(&format!("INSERT INTO {index} ({index}) VALUES ('rebuild')"), [])?;
            }
            writer.execute_batch("VACUUM")?;
            self.delete_own_backups()?;
            // The log holds pages from before until it is emptied, for which nobody may be reading an old state.
            let busy: bool = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy {
                return Err(Error::Busy { path: self.database() });
            }
            writer.execute("DELETE FROM project WHERE key = ?1", [WIPE])?;
            Ok(())
        })
    }

    /// Deletes the copies from before migrations.
    fn delete_own_backups(&self) -> Result<()> {
        let folder = self.folder.join("backups");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| Error::file(&folder, "read", error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| Error::file(&folder, "read", error))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("before-")) {
                fs::remove_file(&path).map_err(|error| Error::file(&path, "deleted", error))?;
            }
        }
        Ok(())
    }
}

const REFERENCE_BLOBS: &str = "SELECT refs.picture, refs.thumbnail, NULL FROM refs";
const OUTPUT_BLOBS: &str = "SELECT outputs.picture, outputs.thumbnail, outputs.latents FROM outputs";

/// The hashes in three columns of a query.
fn hashes(connection: &Connection, sql: &str, parameter: i64) -> Result<Vec<Hash>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([parameter])?;
    let mut hashes = Vec::new();
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            hashes.extend(row.get::<_, Option<Hash>>(column)?);
        }
    }
    Ok(hashes)
}

fn withdraw(connection: &Connection, reference: ReferenceId, at: Timestamp, gone: &mut Gone) -> Result<()> {
    let id = reference.0;
    let of_outputs = format!("{OUTPUT_BLOBS} JOIN runs ON runs.id = outputs.run_id WHERE runs.ref_id = ?1");
    let mut hashes = hashes(connection, &of_outputs, id)?;
    hashes.extend(self::hashes(connection, &format!("{REFERENCE_BLOBS} WHERE refs.id = ?1"), id)?);

    let reviews: i64 = connection.query_one(
        "SELECT count(*) FROM reviews JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
         WHERE ref_id = ?1",
        [id],
        |row| row.get(0),
    )?;
    gone.reviews += reviews.cast_unsigned();
    gone.outputs +=
        connection.execute("DELETE FROM outputs WHERE run_id IN (SELECT id FROM runs WHERE ref_id = ?1)", [id])? as u64;
    for table in ["resume_points", "previews"] {
        let sql = format!("DELETE FROM {table} WHERE run_id IN (SELECT id FROM runs WHERE ref_id = ?1)");
        connection.execute(&sql, [id])?;
    }
    // What its worker still writes is refused: the run is not running any more.
    connection.execute(
        "UPDATE runs SET state = 'cancelled', owner = NULL, lease = NULL, finished = ?2, cancel_requested = 0,
                         error = 'withdrawn-consent: the reference was withdrawn while the run was under way'
         WHERE ref_id = ?1 AND state = 'running'",
        (id, Time(at)),
    )?;
    gone.runs += connection
        .execute("DELETE FROM runs WHERE ref_id = ?1 AND state IN ('draft', 'queued', 'interrupted')", [id])?
        as u64;
    connection.execute(
        "UPDATE refs SET state = ?2, picture = NULL, thumbnail = NULL, width = NULL, height = NULL, report = NULL,
                         overruled = NULL, note = '', label = '', reviewed = ?3 WHERE id = ?1",
        (id, State::Withdrawn.name(), Time(at)),
    )?;
    gone.references += 1;
    gone.blobs.extend(Store::release_blobs(connection, &hashes)?);
    Ok(())
}

fn wipe_soon(connection: &Connection) -> Result<()> {
    connection.execute("INSERT OR IGNORE INTO project (key, value) VALUES (?1, 'due')", [WIPE])?;
    Ok(())
}
