//! Reads subjects as the rows of a bundle.

use std::collections::{HashMap, HashSet};

use rusqlite::OptionalExtension;
use uuid::Uuid;

use crate::studio::ids::{ConsentId, OutputId, ReferenceId, RunId, SubjectId};
use crate::studio::output::Output;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::reference::Picture;
use crate::studio::run::Run;

use super::rows::{
    BaselineRow, BlobRow, Bundle, ConsentRow, Digest, OutputRow, PictureRow, PresetRow, PromptRow, ReferenceRow,
    ReviewRow, RunRow, SettingsRow, SubjectRow,
};
use crate::store::columns::Hash;
use crate::store::{Error, Reader, Result};

/// How many runs are read at once.
const PAGE: u32 = 500;

/// What to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Everything,
    /// Subjects with everything that belongs to them, and presets made from their runs.
    Subjects(Vec<SubjectId>),
    /// Runs with their outputs, references and consents, and nothing else of their subjects.
    Runs(Vec<RunId>),
}

impl Reader {
    /// Reads the selection as of one moment. Leases, places in the queue and resume points are left out.
    pub fn bundle(&self, selection: &Selection) -> Result<Bundle> {
        // All reads below see this one state.
        let _snapshot = self.connection.unchecked_transaction().map_err(|error| Error::from(error).at(&self.path))?;
        let mut wanted: Vec<SubjectId> = match selection {
            Selection::Everything => self.subjects()?.iter().map(|subject| subject.id).collect(),
            Selection::Subjects(subjects) => subjects.clone(),
            Selection::Runs(runs) => runs.iter().map(|&run| Ok(self.run_by_id(run)?.subject)).collect::<Result<_>>()?,
        };
        let mut seen = HashSet::new();
        wanted.retain(|&subject| seen.insert(subject));
        let mut runs = HashMap::new();
        let mut subjects = Vec::with_capacity(wanted.len());
        for subject in wanted {
            let mut row = self.subject_row(subject, &mut runs)?;
            if let Selection::Runs(chosen) = selection {
                let chosen = chosen.iter().filter_map(|run| runs.get(run).copied()).collect();
                row.keep_runs(&chosen);
            }
            subjects.push(row);
        }
        let kept: HashSet<Uuid> = subjects.iter().flat_map(|row| &row.runs).map(|run| run.uuid).collect();
        let mut presets = self.preset_rows(&runs)?;
        if *selection != Selection::Everything {
            presets.retain(|preset| preset.run.is_some_and(|run| kept.contains(&run)));
        }
        let mut bundle = Bundle { subjects, presets, blobs: Vec::new() };
        bundle.blobs = self.blob_rows(&bundle)?;
        Ok(bundle)
    }

    fn blob_rows(&self, bundle: &Bundle) -> Result<Vec<BlobRow>> {
        let mut blobs: Vec<Digest> = bundle.needed().into_iter().collect();
        blobs.sort_by_key(|&blob| String::from(blob));
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT media_type FROM blobs WHERE hash = ?1")?;
            let row = |hash: Digest| {
                let media_type = statement.query_row([Hash(hash.0)], |row| row.get(0)).optional()?;
                let missing = || Error::BlobMissing { hash: hash.0, path: self.blobs.path(&hash.0) };
                Ok(BlobRow { hash, media_type: media_type.ok_or_else(missing)? })
            };
            blobs.into_iter().map(row).collect()
        })
    }

    fn preset_rows(&self, runs: &HashMap<RunId, Uuid>) -> Result<Vec<PresetRow>> {
        let row = |preset: crate::store::presets::Preset| PresetRow {
            uuid: preset.uuid,
            name: preset.name,
            note: preset.note,
            run: preset.run.and_then(|run| runs.get(&run).copied()),
            settings: SettingsRow(preset.settings),
            created: preset.created.as_millisecond(),
            promoted: preset.promoted.map(|time| time.as_millisecond()),
        };
        Ok(self.presets()?.into_iter().map(row).collect())
    }

    fn subject_row(&self, id: SubjectId, run_uuids: &mut HashMap<RunId, Uuid>) -> Result<SubjectRow> {
        let subject = self.subject_by_id(id)?;
        let (last_run, last_reference) = self.read(|connection| {
            let sql = "SELECT last_run, last_reference FROM subjects WHERE id = ?1";
            Ok(connection.query_row(sql, [id.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })?;
        let mut consents = Vec::new();
        let mut consent_uuids: HashMap<ConsentId, Uuid> = HashMap::new();
        for consent in self.consents(id)? {
            consent_uuids.insert(consent.id, consent.uuid);
            consents.push(ConsentRow {
                uuid: consent.uuid,
                kind: consent.grant.kind().name().to_owned(),
                statement: consent.grant.statement().to_owned(),
                granted: consent.grant.granted().as_millisecond(),
                expires: consent.grant.expires().map(|time| time.as_millisecond()),
                withdrawn: consent.withdrawn.map(|time| time.as_millisecond()),
            });
        }
        let mut references = Vec::new();
        let mut reference_uuids: HashMap<ReferenceId, Uuid> = HashMap::new();
        for reference in self.references(id)? {
            reference_uuids.insert(reference.id, reference.uuid);
            references.push(ReferenceRow {
                uuid: reference.uuid,
                number: reference.name.number,
                consent: known(&consent_uuids, reference.consent)?,
                label: reference.label,
                state: reference.state.name().to_owned(),
                picture: reference.picture.as_ref().map(picture),
                gate: reference.gate.name().to_owned(),
                report: reference.report,
                overruled: reference.overruled,
                note: reference.note,
                reviewer: reference.reviewer,
                added: reference.added.as_millisecond(),
                reviewed: reference.reviewed.map(|time| time.as_millisecond()),
            });
        }
        let runs = self.all_runs(id)?;
        run_uuids.extend(runs.iter().map(|run| (run.id, run.uuid)));
        let mut output_uuids = HashMap::new();
        let runs = runs
            .into_iter()
            .map(|run| self.run_row(run, &reference_uuids, run_uuids, &mut output_uuids))
            .collect::<Result<_>>()?;
        let baseline = |baseline: crate::store::reviews::Baseline| {
            Ok(BaselineRow {
                uuid: baseline.uuid,
                output: known(&output_uuids, baseline.output)?,
                set_by: baseline.set_by,
                note: baseline.note,
                since: baseline.since.as_millisecond(),
                until: baseline.until.map(|time| time.as_millisecond()),
            })
        };
        Ok(SubjectRow {
            uuid: subject.uuid,
            handle: subject.handle.to_string(),
            name: subject.name,
            note: subject.note,
            created: subject.created.as_millisecond(),
            last_run,
            last_reference,
            consents,
            references,
            runs,
            baselines: self.baselines(id)?.into_iter().map(baseline).collect::<Result<_>>()?,
        })
    }

    /// A subject's runs, the oldest first.
    fn all_runs(&self, subject: SubjectId) -> Result<Vec<Run>> {
        let mut runs: Vec<Run> = Vec::new();
        loop {
            let before = runs.last().map(|run| run.task.number);
            let page = self.runs(subject, before, PAGE)?;
            if page.is_empty() {
                runs.reverse();
                return Ok(runs);
            }
            runs.extend(page.into_iter().map(|line| line.run));
        }
    }

    fn run_row(
        &self,
        run: Run,
        references: &HashMap<ReferenceId, Uuid>,
        runs: &HashMap<RunId, Uuid>,
        outputs: &mut HashMap<OutputId, Uuid>,
    ) -> Result<RunRow> {
        let rows = self.outputs(run.id)?.into_iter().map(|output| {
            outputs.insert(output.id, output.uuid);
            self.output_row(output)
        });
        let rows = rows.collect::<Result<_>>()?;
        let recipe = run.recipe;
        Ok(RunRow {
            uuid: run.uuid,
            number: run.task.number,
            reference: recipe.reference.map(|reference| known(references, reference)).transpose()?,
            parent: run.parent.map(|parent| known(runs, parent)).transpose()?,
            prompt: prompt(&recipe.prompt),
            seeds: run.seeds.as_slice().to_vec(),
            settings: SettingsRow(recipe.settings),
            checkpoint: recipe.model.checkpoint,
            adapter: recipe.model.adapter,
            image_encoder: recipe.model.image_encoder,
            checkpoint_hash: run.hashes.checkpoint.map(Digest),
            adapter_hash: run.hashes.adapter.map(Digest),
            image_encoder_hash: run.hashes.image_encoder.map(Digest),
            delta: run.delta,
            debug_reason: run.debug_reason,
            profile: run.profile,
            diagnosis: run.diagnosis,
            state: run.state.name().to_owned(),
            error: run.error,
            timings: run.timings,
            peak_memory: run.peak_memory,
            created: run.created.as_millisecond(),
            started: run.started.map(|time| time.as_millisecond()),
            finished: run.finished.map(|time| time.as_millisecond()),
            outputs: rows,
        })
    }

    fn output_row(&self, output: Output) -> Result<OutputRow> {
        let review = |review: crate::studio::review::Review| ReviewRow {
            uuid: review.uuid,
            reviewer: review.judgement.reviewer,
            note: review.judgement.note,
            failures: review.judgement.failures.iter().map(ToString::to_string).collect(),
            scores: review.judgement.scores.iter().map(|(key, score)| (key.to_string(), score.get())).collect(),
            verdict: review.judgement.verdict.name().to_owned(),
            created: review.at.as_millisecond(),
        };
        Ok(OutputRow {
            uuid: output.uuid,
            seed: output.seed,
            picture: picture(&output.picture),
            latents: output.latents.map(Digest),
            measures: output.measures,
            verdict: output.verdict.name().to_owned(),
            created: output.created.as_millisecond(),
            reviews: self.reviews(output.id)?.into_iter().map(review).collect(),
        })
    }
}

impl SubjectRow {
    /// Drops everything that these runs do not need.
    fn keep_runs(&mut self, chosen: &HashSet<Uuid>) {
        self.runs.retain(|run| chosen.contains(&run.uuid));
        let references: HashSet<Uuid> = self.runs.iter().filter_map(|run| run.reference).collect();
        self.references.retain(|reference| references.contains(&reference.uuid));
        let consents: HashSet<Uuid> = self.references.iter().map(|reference| reference.consent).collect();
        self.consents.retain(|consent| consents.contains(&consent.uuid));
        let outputs: HashSet<Uuid> = self.runs.iter().flat_map(|run| &run.outputs).map(|output| output.uuid).collect();
        self.baselines.retain(|baseline| outputs.contains(&baseline.output));
    }
}

/// The UUID of a key. Rows of a subject refer only to rows of the same subject.
fn known<K: std::hash::Hash + Eq + std::fmt::Debug>(uuids: &HashMap<K, Uuid>, key: K) -> Result<Uuid> {
    uuids.get(&key).copied().ok_or_else(|| Error::BadValue(format!("{key:?} belongs to another subject")))
}

fn picture(picture: &Picture) -> PictureRow {
    PictureRow {
        blob: Digest(picture.blob),
        thumbnail: picture.thumbnail.map(Digest),
        width: picture.width,
        height: picture.height,
    }
}

pub(super) fn prompt(prompt: &Prompt) -> PromptRow {
    let block = |block| prompt.block(block).to_owned();
    PromptRow {
        subject: block(Block::Subject),
        camera: block(Block::Camera),
        lighting: block(Block::Lighting),
        style: block(Block::Style),
        constraints: block(Block::Constraints),
        negative: prompt.negative().to_owned(),
    }
}
