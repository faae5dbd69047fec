//! Deletes a subject, a consent or a reference, with everything that depends on it.
//!
//! One transaction deletes the rows and schedules the deletion of their files; [`Store::finish_deletion`] then
//! deletes the files and wipes the database's free space. Backups and bundles that a person made are not touched.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::studio::consent::ConsentStatus;
use crate::studio::ids::{ConsentId, ReferenceId, SubjectId};
use crate::studio::reference::{Decision, ReferenceState};
use crate::studio::rules::Refusal;

use super::columns::{Hash, Time};
use super::proof::{Deleted, Proof};
use super::removal::{Pending, schedule_wipe};
use super::{Durability, Error, Result, Store, references, subjects};

/// Counts of the deleted rows, and the deleted blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionReport {
    pub references: u64,
    pub runs: u64,
    pub outputs: u64,
    pub reviews: u64,
    /// Blobs that nothing else used.
    pub blobs: Vec<blake3::Hash>,
    /// Why some deleted bytes are still on the disk.
    pub pending: Option<Pending>,
    /// The search for what was deleted.
    pub proof: Proof,
}

impl Store {
    /// Deletes a subject and everything that belongs to it.
    pub fn forget_subject(&self, subject: SubjectId) -> Result<DeletionReport> {
        let mut deleted = Deleted::default();
        let report = self.write(Durability::Full, |transaction| {
            subjects::by_id(transaction, subject)?;
            let count = |sql: &str| {
                Ok::<u64, Error>(transaction.query_one(sql, [subject.0], |row| row.get::<_, i64>(0))?.cast_unsigned())
            };
            let mut report = DeletionReport {
                references: count("SELECT count(*) FROM refs WHERE subject_id = ?1")?,
                runs: count("SELECT count(*) FROM runs WHERE subject_id = ?1")?,
                outputs: count("SELECT count(*) FROM outputs JOIN runs ON runs.id = run_id WHERE subject_id = ?1")?,
                reviews: count(
                    "SELECT count(*) FROM reviews JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
                     WHERE subject_id = ?1",
                )?,
                ..DeletionReport::default()
            };
            let mut hashes = hashes(transaction, &format!("{REFERENCE_BLOBS} WHERE refs.subject_id = ?1"), subject.0)?;
            hashes.extend(self::hashes(
                transaction,
                &format!("{OUTPUT_BLOBS} JOIN runs ON runs.id = outputs.run_id WHERE runs.subject_id = ?1"),
                subject.0,
            )?);
            for sql in OF_SUBJECT {
                deleted.add(transaction, sql, subject.0)?;
            }
            transaction.execute("DELETE FROM subjects WHERE id = ?1", [subject.0])?;
            report.blobs = Self::release_blobs(transaction, &hashes)?;
            schedule_wipe(transaction)?;
            Ok(report)
        })?;
        self.finish(report, deleted)
    }

    /// Withdraws a consent and, as [`Store::withdraw_reference`] does, every reference under it. The record of the
    /// consent and of its withdrawal stays. Withdrawing it again deletes nothing.
    pub fn withdraw_consent(&self, consent: ConsentId, at: Timestamp) -> Result<DeletionReport> {
        let mut deleted = Deleted::default();
        let report = self.write(Durability::Full, |transaction| {
            let found = subjects::consent(transaction, consent)?;
            if let ConsentStatus::Withdrawn(_) = found.status(at) {
                return Ok(DeletionReport::default());
            }
            transaction.execute("UPDATE consents SET withdrawn = ?2 WHERE id = ?1", (consent.0, Time(at)))?;
            let mut statement =
                transaction.prepare("SELECT id FROM refs WHERE consent_id = ?1 AND state <> 'withdrawn'")?;
            let references: Vec<i64> =
                statement.query_map([consent.0], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let mut report = DeletionReport::default();
            for reference in references {
                withdraw(transaction, ReferenceId(reference), at, &mut report, &mut deleted)?;
            }
            schedule_wipe(transaction)?;
            Ok(report)
        })?;
        self.finish(report, deleted)
    }

    /// Withdraws a reference. Deletes its image, notes and report, the outputs made with it and their reviews, and its
    /// draft, queued and interrupted runs; cancels its running run. Finished runs stay in the history, without outputs.
    pub fn withdraw_reference(&self, reference: ReferenceId, at: Timestamp) -> Result<DeletionReport> {
        let mut deleted = Deleted::default();
        let report = self.write(Durability::Full, |transaction| {
            let found = references::by_id(transaction, reference)?;
            if found.state.after(Decision::Withdraw).is_none() {
                let (state, decision) = (found.state, Decision::Withdraw);
                return Err(Refusal::ReferenceState { reference: found.name, state, decision }.into());
            }
            let mut report = DeletionReport::default();
            withdraw(transaction, reference, at, &mut report, &mut deleted)?;
            schedule_wipe(transaction)?;
            Ok(report)
        })?;
        self.finish(report, deleted)
    }
}

impl Store {
    /// Finishes a deletion after its transaction, and proves it.
    fn finish(&self, report: DeletionReport, mut deleted: Deleted) -> Result<DeletionReport> {
        let pending = self.finish_deletion()?;
        deleted.hashes.clone_from(&report.blobs);
        Ok(DeletionReport { pending, proof: self.prove(&deleted)?, ..report })
    }
}

/// Identifiers and names of a subject and of everything that is deleted with it.
const OF_SUBJECT: [&str; 8] = [
    "SELECT uuid, handle FROM subjects WHERE id = ?1",
    "SELECT uuid, name FROM subjects WHERE id = ?1",
    "SELECT uuid, NULL FROM consents WHERE subject_id = ?1",
    "SELECT refs.uuid, handle || '-r' || number FROM refs JOIN subjects ON subjects.id = subject_id
     WHERE subject_id = ?1",
    "SELECT runs.uuid, format('%s-%04d', handle, number) FROM runs JOIN subjects ON subjects.id = subject_id
     WHERE subject_id = ?1",
    "SELECT outputs.uuid, NULL FROM outputs JOIN runs ON runs.id = run_id WHERE subject_id = ?1",
    "SELECT reviews.uuid, NULL FROM reviews JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
     WHERE subject_id = ?1",
    "SELECT uuid, NULL FROM baselines WHERE subject_id = ?1",
];

/// The same of a reference that is withdrawn.
const OF_REFERENCE: [&str; 4] = [
    "SELECT outputs.uuid, NULL FROM outputs JOIN runs ON runs.id = run_id WHERE ref_id = ?1",
    "SELECT reviews.uuid, NULL FROM reviews JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
     WHERE ref_id = ?1",
    "SELECT baselines.uuid, NULL FROM baselines JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
     WHERE ref_id = ?1",
    "SELECT runs.uuid, format('%s-%04d', handle, number) FROM runs JOIN subjects ON subjects.id = subject_id
     WHERE ref_id = ?1 AND state IN ('draft', 'queued', 'interrupted')",
];

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

fn withdraw(
    connection: &Connection,
    reference: ReferenceId,
    at: Timestamp,
    report: &mut DeletionReport,
    deleted: &mut Deleted,
) -> Result<()> {
    let id = reference.0;
    for sql in OF_REFERENCE {
        deleted.add(connection, sql, id)?;
    }
    deleted.names.push(references::by_id(connection, reference)?.label);
    let of_outputs = format!("{OUTPUT_BLOBS} JOIN runs ON runs.id = outputs.run_id WHERE runs.ref_id = ?1");
    let mut hashes = hashes(connection, &of_outputs, id)?;
    hashes.extend(self::hashes(connection, &format!("{REFERENCE_BLOBS} WHERE refs.id = ?1"), id)?);

    let reviews: i64 = connection.query_one(
        "SELECT count(*) FROM reviews JOIN outputs ON outputs.id = output_id JOIN runs ON runs.id = run_id
         WHERE ref_id = ?1",
        [id],
        |row| row.get(0),
    )?;
    report.reviews += reviews.cast_unsigned();
    report.outputs +=
        connection.execute("DELETE FROM outputs WHERE run_id IN (SELECT id FROM runs WHERE ref_id = ?1)", [id])? as u64;
    for table in ["resume_points", "previews"] {
        let sql = format!("DELETE FROM {table} WHERE run_id IN (SELECT id FROM runs WHERE ref_id = ?1)");
        connection.execute(&sql, [id])?;
    }
    // The run loses its lease, so nothing that its worker writes later is accepted.
    connection.execute(
        "UPDATE runs SET state = 'cancelled', owner = NULL, lease = NULL, finished = ?2, cancel_requested = 0,
                         error = 'withdrawn-consent: the reference was withdrawn during the run'
         WHERE ref_id = ?1 AND state = 'running'",
        (id, Time(at)),
    )?;
    report.runs += connection
        .execute("DELETE FROM runs WHERE ref_id = ?1 AND state IN ('draft', 'queued', 'interrupted')", [id])?
        as u64;
    connection.execute(
        "UPDATE refs SET state = ?2, picture = NULL, thumbnail = NULL, width = NULL, height = NULL, report = NULL,
                         overruled = NULL, note = '', label = '', reviewed = ?3 WHERE id = ?1",
        (id, ReferenceState::Withdrawn.name(), Time(at)),
    )?;
    report.references += 1;
    report.blobs.extend(Store::release_blobs(connection, &hashes)?);
    Ok(())
}
