//! Reviews of outputs, and the baseline.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Result;
use crate::store::reviews::Baseline;
use crate::store::{Error, Reader, Store};
use crate::studio::ids::{OutputId, SubjectId};
use crate::studio::output::Output;
use crate::studio::reference::Reference;
use crate::studio::review::{Judgement, Key, Review, Rubric, Score};
use crate::studio::run::Run;
use crate::studio::subject::{OutputName, TaskId};

/// Finds an output and its run by name.
pub fn output(reader: &Reader, name: &OutputName) -> Result<(Run, Output)> {
    let run = reader.run(&name.task)?;
    let found = reader.outputs(run.id)?.into_iter().find(|output| output.seed == name.seed);
    let missing = || Error::NotFound { what: "output", name: name.to_string() };
    Ok((run, found.ok_or_else(missing)?))
}

/// Records a review, a diagnosis of the output's run, or both in one transaction. A verdict becomes the output's.
pub fn record(store: &Store, output: OutputId, review: Option<&Judgement>, diagnosis: Option<&str>) -> Result<()> {
    Ok(store.add_review_and_diagnosis(output, review, diagnosis.map(str::trim), Timestamp::now())?)
}

/// A subject's new baseline, and the one before it.
#[derive(Clone, Debug)]
pub struct NewBaseline {
    pub output: OutputName,
    pub baseline: Baseline,
    pub before: Option<OutputName>,
}

impl std::fmt::Display for NewBaseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is now the baseline of {}.", self.output, self.output.task.subject)
    }
}

/// Makes an output its subject's baseline.
///
/// # Errors
/// Refuses an output that is not accepted, or that scores too low on a criterion.
pub fn set_baseline(store: &Store, output: OutputId, reviewer: &str, reason: &str) -> Result<NewBaseline> {
    let reader = store.reader()?;
    let found = reader.output(output)?;
    let run = reader.run_by_id(found.run)?;
    let before = baseline(&reader, run.subject)?;
    store.set_baseline(output, Rubric::embedded(), reviewer, reason.trim(), Timestamp::now())?;
    let missing = || Error::NotFound { what: "baseline", name: run.task.subject.to_string() };
    Ok(NewBaseline {
        baseline: reader.baseline(run.subject)?.ok_or_else(missing)?,
        output: OutputName { task: run.task, seed: found.seed },
        before,
    })
}

/// The name of a subject's baseline, if it has one.
pub fn baseline(reader: &Reader, subject: SubjectId) -> Result<Option<OutputName>> {
    let Some(baseline) = reader.baseline(subject)? else { return Ok(None) };
    let output = reader.output(baseline.output)?;
    Ok(Some(OutputName { task: reader.run_by_id(output.run)?.task, seed: output.seed }))
}

/// An output with everything that its reviewer needs.
#[derive(Clone, Debug)]
pub struct Details {
    pub output: Output,
    pub run: Run,
    /// The parent run's output with the same seed, else its first.
    pub parent: Option<Output>,
    pub parent_task: Option<TaskId>,
    pub baseline: Option<Output>,
    pub references: Vec<Reference>,
    /// Oldest first.
    pub reviews: Vec<Review>,
    /// The newest score on each criterion.
    pub scores: BTreeMap<Key, Score>,
}

/// Reads an output with everything that its reviewer needs.
pub fn details(reader: &Reader, output: OutputId) -> Result<Details> {
    let output = reader.output(output)?;
    let run = reader.run_by_id(output.run)?;
    let outputs = run.parent.map(|parent| reader.outputs(parent)).transpose()?.unwrap_or_default();
    let parent = outputs.iter().find(|other| other.seed == output.seed).or(outputs.first()).cloned();
    let parent_task = run.parent.map(|parent| reader.run_by_id(parent)).transpose()?.map(|parent| parent.task);
    let baseline = reader.baseline(run.subject)?;
    Ok(Details {
        baseline: baseline.map(|baseline| reader.output(baseline.output)).transpose()?,
        references: reader.references(run.subject)?,
        reviews: reader.reviews(output.id)?,
        scores: reader.scores(output.id)?,
        output,
        run,
        parent,
        parent_task,
    })
}
