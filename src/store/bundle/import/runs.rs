//! Runs, their outputs, and reviews of these.

use rusqlite::OptionalExtension;
use rusqlite::types::Value;
use uuid::Uuid;

use super::super::check::{self, said, wrong};
use super::super::report::Remark;
use super::super::rows::{Digest, OutputRow, ReviewRow, RunRow};
use super::{Import, Place, Under, millis};
use crate::store::columns::{Hash, Id, SETTINGS, Time, insert, settings_values, to_json};
use crate::store::runs::{self, ATTEMPTS, block_column};
use crate::store::{Result, references, reviews};
use crate::studio::ids::{ReferenceId, RunId};
use crate::studio::prompt::Block;
use crate::studio::reference::State as ReferenceState;
use crate::studio::run::State;
use crate::studio::subject::TaskId;
use crate::studio::text::clean;

impl Import<'_> {
    pub(super) fn run(&self, place: &mut Place, row: &RunRow) -> Result<()> {
        let was = TaskId { subject: place.report.was.clone(), number: row.number };
        let reference = row.reference.map(|uuid| self.used(place, uuid, &was)).transpose()?;
        let mut withdrawn = reference.is_some_and(|(_, state)| state == ReferenceState::Withdrawn);
        let claimed = check::named("state of a run", &row.state, State::from_name)?;
        let found = self.found("runs", row.uuid, Under::Row("subject_id", place.subject.0))?;
        let id = match found {
            Some(id) => {
                let here = runs::by_id(self.connection, RunId(id))?;
                // It was made with the reference that is told of here, whatever the bundle says.
                if let Some(reference) = here.recipe.reference {
                    withdrawn |= references::by_id(self.connection, reference)?.state == ReferenceState::Withdrawn;
                }
                // Its worker is the one who brings its pictures.
                if !here.state.is_over() && !row.outputs.is_empty() {
                    place.report.runs.add(false);
                    place.runs.insert(row.uuid, id);
                    place.report.remarks.push(Remark::NotOverHere { task: here.task });
                    return Ok(());
                }
                id
            }
            None if withdrawn && !claimed.is_over() => {
                place.report.remarks.push(Remark::LeftOut { task: was });
                return Ok(());
            }
            None => {
                let number = self.free_number(place.subject, "last_run", row.number)?;
                let task = TaskId { subject: place.report.handle.clone(), number };
                let id = self.new_run(place, row, number, reference.map(|(id, _)| id), claimed)?;
                place.report.tasks.push(task.clone());
                if number != row.number {
                    place.report.runs_renamed.push((was.clone(), task.clone()));
                }
                if !claimed.is_over() && claimed != State::Draft {
                    place.report.remarks.push(Remark::Draft { task });
                }
                id
            }
        };
        place.report.runs.add(found.is_none());
        place.runs.insert(row.uuid, id);
        if withdrawn {
            if !row.outputs.is_empty() {
                place.report.remarks.push(Remark::LeftOut { task: was });
            }
            return Ok(());
        }
        row.outputs.iter().try_for_each(|output| self.output(place, id, output))
    }

    /// The reference of a run: one of the bundle's, or one that was here before.
    fn used(&self, place: &Place, uuid: Uuid, task: &TaskId) -> Result<(ReferenceId, ReferenceState)> {
        if let Some(&known) = place.references.get(&uuid) {
            return Ok(known);
        }
        let found = self.found("refs", uuid, Under::Row("subject_id", place.subject.0))?;
        let id = found.ok_or_else(|| wrong(format!("the run {task} uses a reference that is not in it")))?;
        Ok((ReferenceId(id), references::by_id(self.connection, ReferenceId(id))?.state))
    }

    fn new_run(
        &self,
        place: &Place,
        row: &RunRow,
        number: u32,
        reference: Option<ReferenceId>,
        claimed: State,
    ) -> Result<i64> {
        let (prompt, seeds) = (check::prompt(&row.prompt)?, check::seeds(row)?);
        let reason = said("a reason", row.debug_reason.as_ref())?;
        if row.delta.as_ref().is_some_and(|delta| delta.changes.len() > 1) && reason.is_none() {
            return Err(wrong(format!("the run {number} in it changes several variables without a reason")));
        }
        let state = if claimed.is_over() { claimed } else { State::Draft };
        let parent = match row.parent {
            Some(parent) => match place.runs.get(&parent) {
                Some(&parent) => Some(parent),
                // It may have come before, or not be wanted here.
                None => self.found("runs", parent, Under::Row("subject_id", place.subject.0))?,
            },
            None => None,
        };
        // A path may hold whatever a file system allows.
        let name = |name: &str| check::required("the name of a model", &clean(name));
        let hash = |digest: Option<Digest>| digest.map(|digest| Value::Blob(digest.0.as_bytes().to_vec()));
        let memory = row.peak_memory.map(i64::try_from).transpose();
        let mut columns: Vec<(&str, Value)> = vec![
            ("uuid", Value::Blob(row.uuid.as_bytes().to_vec())),
            ("subject_id", place.subject.0.into()),
            ("number", number.into()),
            ("ref_id", reference.map(|reference| reference.0).into()),
            ("parent_id", parent.into()),
            ("negative", prompt.negative().to_owned().into()),
            ("seeds", to_json(&seeds.as_slice())?.into()),
            ("checkpoint", name(&row.checkpoint)?.into()),
            ("adapter", row.adapter.as_deref().map(name).transpose()?.into()),
            ("image_encoder", row.image_encoder.as_deref().map(name).transpose()?.into()),
            ("checkpoint_hash", hash(row.checkpoint_hash).into()),
            ("adapter_hash", hash(row.adapter_hash).into()),
            ("image_encoder_hash", hash(row.image_encoder_hash).into()),
            ("delta", row.delta.as_ref().map(check::delta).as_ref().map(to_json).transpose()?.into()),
            ("debug_reason", reason.into()),
            ("profile", said("a profile", row.profile.as_ref())?.into()),
            ("diagnosis", check::words("a diagnosis", &row.diagnosis)?.into()),
            ("state", state.name().to_owned().into()),
            // Of no meaning until the draft is queued.
            ("priority", 1.into()),
            ("place", 0.into()),
            ("attempts_allowed", ATTEMPTS.into()),
            ("attempts_left", ATTEMPTS.into()),
            ("error", said("an error", row.error.as_ref())?.into()),
            ("timings", row.timings.as_ref().map(to_json).transpose()?.into()),
            ("peak_memory", memory.map_err(|_| wrong("a run in it took more memory than there is"))?.into()),
            ("created", check::time(row.created)?.as_millisecond().into()),
            ("started", millis(row.started)?.into()),
            ("finished", millis(row.finished)?.into()),
        ];
        columns.extend(Block::ALL.map(|block| (block_column(block), prompt.block(block).to_owned().into())));
        columns.extend(SETTINGS.into_iter().zip(settings_values(&check::settings(&row.settings)?)?));
        let columns: Vec<_> = columns.iter().map(|(name, value)| (*name, value as &dyn rusqlite::ToSql)).collect();
        Ok(insert(self.connection, "runs", &columns)?)
    }

    fn output(&self, place: &mut Place, run: i64, row: &OutputRow) -> Result<()> {
        let found = match self.found("outputs", row.uuid, Under::Row("run_id", run))? {
            Some(id) => Some(id),
            // The run has its picture for this seed already.
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
        place.report.outputs.add(found.is_none());
        place.outputs.insert(row.uuid, id);
        row.reviews.iter().try_for_each(|review| self.review(place, id, review))
    }

    fn new_output(&self, run: i64, row: &OutputRow) -> Result<i64> {
        let here = runs::by_id(self.connection, RunId(run))?;
        if !here.seeds.as_slice().contains(&row.seed) {
            return Err(wrong(format!("{} was not asked for the seed {}", here.task, row.seed)));
        }
        let picture = self.picture(Some(&row.picture))?;
        let columns: [(&str, &dyn rusqlite::ToSql); 12] = [
            ("uuid", &Id(row.uuid)),
            ("run_id", &run),
            ("seed", &row.seed.cast_signed()),
            ("key", &Hash(foreign_key(&row.uuid))),
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

    /// A review is one more voice; the verdict of an output that was here before stays.
    fn review(&self, place: &mut Place, output: i64, row: &ReviewRow) -> Result<()> {
        let found = self.found("reviews", row.uuid, Under::Row("output_id", output))?;
        place.report.reviews.add(found.is_none());
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

/// The key of a picture that was made elsewhere. Runs here take over pictures by their keys, and nobody knows whether
/// this one was made as its bundle says: it gets a key that no run asks for.
fn foreign_key(output: &Uuid) -> blake3::Hash {
    blake3::Hash::from_bytes(blake3::derive_key("pentimento 2026-11 key of an imported output", output.as_bytes()))
}
