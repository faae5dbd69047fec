//! Starts runs: without a parent, from a parent, or again with the next seeds.

use std::path::PathBuf;

use jiff::Timestamp;
use uuid::Uuid;

use super::models::{self, MINI};
use super::{Error, Result};
use crate::diffusion;
use crate::store::runs::NewRun;
use crate::store::{Reader, Store};
use crate::studio::ids::{RunId, SubjectId};
use crate::studio::prompt::Prompt;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::reference::Reference;
use crate::studio::run::Run;
use crate::studio::seeds::Seeds;
use crate::studio::settings::Settings;
use crate::studio::state::RunState;
use crate::studio::subject::Subject;

/// The seeds of a run that names none: three from 0. Fewer pictures say little about a setting.
pub fn default_seeds() -> Seeds {
    Seeds::new(vec![0, 1, 2]).unwrap_or_else(|_| unreachable!("three different seeds are valid"))
}

/// Draws a seed for `-1`. It has 32 bits, like those that other programs draw: torch's generator on the CPU uses no more.
pub fn draw_seed() -> u64 {
    Uuid::now_v7().as_u128() as u64 & u64::from(u32::MAX)
}

/// The recipe of a run without a parent: an empty prompt, no reference, and the model's default settings.
pub fn default_recipe(checkpoint: Option<&str>) -> Recipe {
    let checkpoint = checkpoint.unwrap_or(MINI);
    Recipe {
        prompt: Prompt::new(),
        reference: None,
        settings: Settings::for_checkpoint(checkpoint),
        model: Model::named(checkpoint),
    }
}

/// What a new run of a subject can start from.
#[derive(Clone, Debug)]
pub struct Start {
    pub subject: Subject,
    pub references: Vec<Reference>,
    /// The run to branch from: the one that was named, else the subject's newest.
    pub parent: Option<Run>,
}

/// Reads what a new run starts from.
pub fn start(reader: &Reader, subject: SubjectId, parent: Option<RunId>) -> Result<Start> {
    Ok(Start {
        subject: reader.subject_by_id(subject)?,
        references: reader.references(subject)?,
        parent: named_or_newest(reader, subject, parent)?,
    })
}

/// Queues a run again with the same number of next seeds and no other change. Without `run`, repeats the subject's
/// newest run. Skips seeds that earlier repeats have used. Returns `None` if the subject has no runs.
pub fn again(store: &Store, reader: &Reader, subject: SubjectId, run: Option<RunId>) -> Result<Option<Run>> {
    let Some(run) = named_or_newest(reader, subject, run)? else { return Ok(None) };
    let mut new = NewRun {
        parent: Some(run.id),
        profile: run.profile.clone(),
        ..NewRun::new(subject, run.recipe, run.seeds.following())
    };
    let children = reader.children(run.id)?;
    while children.iter().any(|child| is_same(child, &new)) {
        new.seeds = new.seeds.following();
    }
    queue(store, reader, &new).map(Some)
}

/// A run that makes the same pictures as a new one from the same parent, if there is one. Failed and cancelled runs do
/// not count.
pub fn find_same(reader: &Reader, new: &NewRun) -> Result<Option<Run>> {
    let siblings = match new.parent {
        Some(parent) => reader.children(parent)?,
        None => reader.runs(new.subject, None, MAX_FIRST_RUNS)?.into_iter().map(|line| line.run).collect(),
    };
    Ok(siblings.into_iter().find(|run| is_same(run, new)))
}

/// How many of a subject's newest runs are compared with one without a parent.
const MAX_FIRST_RUNS: u32 = 100;

fn is_same(run: &Run, new: &NewRun) -> bool {
    run.parent == new.parent
        && run.recipe == new.recipe
        && run.seeds == new.seeds
        && !matches!(run.state, RunState::Failed | RunState::Cancelled)
}

/// Queues a run, or keeps it as a draft, and returns it.
///
/// # Errors
/// Refuses an empty prompt, a missing model, a reference for a model without an adapter, and a run that breaks a rule.
/// These checks happen here so that the run does not fail in a worker.
pub fn queue(store: &Store, reader: &Reader, new: &NewRun) -> Result<Run> {
    if new.recipe.prompt.assembled().is_empty() {
        return Err(Error::EmptyPrompt);
    }
    require_model(&new.recipe)?;
    let id = store.add_run(new, Timestamp::now())?;
    Ok(reader.run_by_id(id)?)
}

fn named_or_newest(reader: &Reader, subject: SubjectId, run: Option<RunId>) -> Result<Option<Run>> {
    Ok(match run {
        Some(run) => Some(reader.run_by_id(run)?),
        None => reader.runs(subject, None, 1)?.pop().map(|line| line.run),
    })
}

fn require_model(recipe: &Recipe) -> Result<()> {
    if let Some(path) = recipe.model.adapter.as_ref().map(PathBuf::from).filter(|path| !path.is_file()) {
        return Err(Error::NoAdapterFile { path });
    }
    let model = models::find(&recipe.model)?.model;
    if recipe.reference.is_some() && !model.has_adapter() {
        return Err(diffusion::Error::NoAdapter.into());
    }
    Ok(())
}
