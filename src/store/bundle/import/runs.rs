//! Imports runs, outputs and reviews.

use rusqlite::OptionalExtension;
use rusqlite::types::Value;
use uuid::Uuid;

use super::super::check::{self, optional_text, wrong};
use super::super::report::Remark;
use super::super::rows::{Digest, OutputRow, ReviewRow, RunRow};
use super::pass::{Import, ImportedSubject, Owner, millis};
use crate::store::columns::{Hash, Id, Time, insert, to_json};
use crate::store::runs::{self, ATTEMPTS, block_column};
use crate::store::{Result, references, reviews};
use crate::studio::ids::{ReferenceId, RunId};
use crate::studio::output_key;
use crate::studio::prompt::Block;
use crate::studio::reference::ReferenceState;
use crate::studio::state::RunState;
use crate::studio::subject::TaskId;
use crate::studio::text::clean;

impl Import<'_> {
    pub(super) fn run(&self, imported: &mut ImportedSubject, row: &RunRow) -> Result<()> {
        let bundle_task = TaskId { subject: imported.report.handle_in_bundle.clone(), number: row.number };
        let reference = row.reference.map(|uuid| self.used_reference(imported, uuid, &bundle_task)).transpose()?;
        let mut withdrawn = reference.is_some_and(|(_, state)| state == ReferenceState::Withdrawn);
        let bundle_state = check::named("run state", &row.state, RunState::from_name)?;
        let found = self.find("runs", row.uuid, Owner::Row("subject_id", imported.subject.0))?;
        let id = match found {
            Some(id) => {
                let here = runs::by_id(self.connection, RunId(id))?;
                // The reference recorded here takes precedence over the one in the bundle.
                if let Some(reference) = here.recipe.reference {
                    withdrawn |= references::by_id(self.connection, reference)?.state == ReferenceState::Withdrawn;
                }
                // Only its own worker may add outputs to a run that has not ended.
                if !here.state.is_over() && !row.outputs.is_empty() {
                    imported.report.runs.add(false);
                    imported.runs.insert(row.uuid, id);
                    imported.report.remarks.push(Remark::RunNotOver { task: here.task });
                    return Ok(());
                }
                id
            }
            None if withdrawn && !bundle_state.is_over() => {
                imported.report.remarks.push(Remark::RunLeftOut { task: bundle_task });
                return Ok(());
            }
            None => {
                let number = self.free_number(imported.subject, "last_run", row.number)?;
                let task = TaskId { subject: imported.report.handle.clone(), number };
                let id = self.new_run(imported, row, number, reference.map(|(id, _)| id), bundle_state)?;
                imported.report.tasks.push(task.clone());
                if number != row.number {
                    imported.report.runs_renamed.push((bundle_task.clone(), task.clone()));
                }
                if !bundle_state.is_over() && bundle_state != RunState::Draft {
                    imported.report.remarks.push(Remark::Draft { task });
                }
                id
            }
        };
        imported.report.runs.add(found.is_none());
        imported.runs.insert(row.uuid, id);
        if withdrawn {
            if !row.outputs.is_empty() {
                imported.report.remarks.push(Remark::OutputsLeftOut { task: bundle_task });
            }
            return Ok(());
        }
        row.outputs.iter().try_for_each(|output| self.output(imported, id, output))
    }

    /// The reference of a run: one from the bundle, or one that existed here before.
    fn used_reference(
        &self,
        imported: &ImportedSubject,
        uuid: Uuid,
        task: &TaskId,
    ) -> Result<(ReferenceId, ReferenceState)> {
        if let Some(&known) = imported.references.get(&uuid) {
            return Ok(known);
        }
        let found = self.find("refs", uuid, Owner::Row("subject_id", imported.subject.0))?;
        let id = found.ok_or_else(|| wrong(format!("run {task} uses a reference that is missing")))?;
        Ok((ReferenceId(id), references::by_id(self.connection, ReferenceId(id))?.state))
    }

    fn new_run(
        &self,
        imported: &ImportedSubject,
        row: &RunRow,
        number: u32,
        reference: Option<ReferenceId>,
        bundle_state: RunState,
    ) -> Result<i64> {
        let (prompt, seeds) = (check::prompt(&row.prompt)?, check::seeds(row)?);
        let reason = optional_text("a reason", row.debug_reason.as_ref())?;
        if row.delta.as_ref().is_some_and(|delta| delta.changes.len() > 1) && reason.is_none() {
            return Err(wrong(format!("run {number} changes several variables without a reason")));
        }
        let state = if bundle_state.is_over() { bundle_state } else { RunState::Draft };
        let parent = match row.parent {
            Some(parent) => match imported.runs.get(&parent) {
                Some(&parent) => Some(parent),
                // The parent may have been imported earlier, or left out.
                None => self.find("runs", parent, Owner::Row("subject_id", imported.subject.0))?,
            },
            None => None,
        };
        // Model names are paths, which may hold any character.
        let name = |name: &str| check::required("a model name", &clean(name));
        let hash = |digest: Option<Digest>| digest.map(|digest| Value::Blob(digest.0.as_bytes().to_vec()));
        let memory = row.peak_memory.map(i64::try_from).transpose();
        let mut columns: Vec<(&str, Value)> = vec![
            ("uuid", Value::Blob(row.uuid.as_bytes().to_vec())),
            ("subject_id", imported.subject.0.into()),
            ("number", number.into()),
            ("ref_id", reference.map(|reference| reference.0).into()),
            ("parent_id", parent.into()),
            ("negative", prompt.negative().to_owned().into()),
            ("seeds", to_json(&seeds.as_slice())?.into()),
            ("settings", to_json(&check::settings(&row.settings)?)?.into()),
            ("checkpoint", name(&row.checkpoint)?.into()),
            ("adapter", row.adapter.as_deref().map(name).transpose()?.into()),
            ("image_encoder", row.image_encoder.as_deref().map(name).transpose()?.into()),
            ("checkpoint_hash", hash(row.checkpoint_hash).into()),
            ("adapter_hash", hash(row.adapter_hash).into()),
            ("image_encoder_hash", hash(row.image_encoder_hash).into()),
            ("delta", row.delta.as_ref().map(check::delta).as_ref().map(to_json).transpose()?.into()),
            ("debug_reason", reason.into()),
            ("profile", optional_text("a profile", row.profile.as_ref())?.into()),
            ("diagnosis", check::text("a diagnosis", &row.diagnosis)?.into()),
            ("state", state.name().to_owned().into()),
            // Set when the draft is queued.
            ("priority", 1.into()),
            ("place", 0.into()),
            ("attempts_allowed", ATTEMPTS.into()),
            ("attempts_left", ATTEMPTS.into()),
            ("error", optional_text("an error", row.error.as_ref())?.into()),
            ("timings", row.timings.as_ref().map(to_json).transpose()?.into()),
            ("peak_memory", memory.map_err(|_| wrong("the peak memory of a run is too large"))?.into()),
            ("created", check::time(row.created)?.as_millisecond().into()),
            ("started", millis(row.started)?.into()),
            ("finished", millis(row.finished)?.into()),
        ];
        columns.extend(Block::ALL.map(|block| (block_column(block), prompt.block(block).to_owned().into())));
        let columns: Vec<_> = columns.iter().map(|(name, value)| (*name, value as &dyn rusqlite::ToSql)).collect();
        Ok(insert(self.connection, "runs", &columns)?)
    }

    fn output(&self, imported: &mut ImportedSubject, run: i64, row: &OutputRow) -> Result<()> {
        let found = match self.find("outputs", row.uuid, Owner::Row("run_id", run))? {
            Some(id) => Some(id),
            // The run may have an output for this seed already.
            None => self
                .connection
                .prepare_cached("SELECT id FROM outputs WHERE run_id = ?1 AND seed = ?2")?
                .query_row((run, row.seed.cast_signed()), |row| row.get(0))
                .optional()?,
        };
        let id = match found {
            Some(id) => id,
            None => self.new_output(run, row)?,
        };
        imported.report.outputs.add(found.is_none());
        imported.outputs.insert(row.uuid, id);
        row.reviews.iter().try_for_each(|review| self.review(imported, id, review))
    }

    fn new_output(&self, run: i64, row: &OutputRow) -> Result<i64> {
        let here = runs::by_id(self.connection, RunId(run))?;
        if !here.seeds.as_slice().contains(&row.seed) {
            return Err(wrong(format!(
                "run {} has an output for seed {}, which is not one of its seeds",
                here.task, row.seed
            )));
        }
        let picture = self.picture(Some(&row.picture))?;
        let columns: [(&str, &dyn rusqlite::ToSql); 13] = [
            ("uuid", &Id(row.uuid)),
            ("run_id", &run),
            ("seed", &row.seed.cast_signed()),
            ("key", &Hash(unmatched_key(&row.uuid))),
            ("key_version", &output_key::IMPORTED),
            ("picture", &picture.picture),
            ("thumbnail", &picture.thumbnail),
            ("latents", &row.latents.map(|latents| self.blob(latents)).transpose()?),
            ("width", &picture.width),
            ("height", &picture.height),
            ("measures", &check::report(row.measures.as_ref())?),
            ("verdict", &check::verdict(&row.verdict)?.name()),
            ("created", &Time(check::time(row.created)?)),
        ];
        Ok(insert(self.connection, "outputs", &columns)?)
    }

    /// Adds a review. It does not change the verdict of an existing output.
    fn review(&self, imported: &mut ImportedSubject, output: i64, row: &ReviewRow) -> Result<()> {
        let found = self.find("reviews", row.uuid, Owner::Row("output_id", output))?;
        imported.report.reviews.add(found.is_none());
        if found.is_some() {
            return Ok(());
        }
        let judgement = check::judgement(row)?;
        let columns: [(&str, &dyn rusqlite::ToSql); 6] = [
            ("uuid", &Id(row.uuid)),
            ("output_id", &output),
            ("reviewer", &judgement.reviewer),
            ("note", &judgement.note),
            ("verdict", &judgement.verdict.name()),
            ("created", &Time(check::time(row.created)?)),
        ];
        let review = insert(self.connection, "reviews", &columns)?;
        reviews::insert_details(self.connection, review, &judgement)
    }
}

/// A key for an imported output that matches no run. Workers reuse outputs by key, and nothing proves that an imported
/// output was made as its bundle says.
fn unmatched_key(output: &Uuid) -> blake3::Hash {
    blake3::Hash::from_bytes(blake3::derive_key("pentimento 2026-11 key of an imported output", output.as_bytes()))
}
