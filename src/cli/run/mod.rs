//! `run`: queueing a run, from nothing or from another.
//!
//! - here: the arguments, and from them to a run
//! - `change`: what `--set NAME=VALUE` does to a recipe

mod change;

use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use super::model::ModelArguments;
use super::project::{self, ProjectArguments};
use super::settings::{self, SettingsArguments};
use super::{facts, print, worker};
use crate::service::{references, runs};
use crate::store::Reader;
use crate::store::runs::NewRun;
use crate::studio::prompt::Block;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::run::Run;
use crate::studio::seeds::Seeds;
use crate::studio::state::{Priority, RunState};
use crate::studio::subject::{Handle, ReferenceName, Subject, TaskId};
use crate::studio::variable::Variable;
use crate::worker::Until;

/// Queue a run: a prompt in five blocks, a reference, settings, and a few seeds
///
/// With --parent everything is taken from that run, and one variable may change: with --set, or with the flag that has
/// its name. More than one at once needs --debug and a reason, because nobody knows then which one made the difference.
/// More or other seeds are no change of a variable.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  pentimento run ada --subject-block \"a violinist, calm gaze\" \\\n      --lighting \"soft window light\"\n  \
                  pentimento run ada --parent ada-0001 --set guidance=6.5\n  \
                  pentimento run ada --parent ada-0001 --seeds 3x6\n\n\
                  --set knows: subject, camera, lighting, style, constraints, negative (words); reference (ada-r3 or\n\
                  none); guidance, steps, adapter-weight (numbers); scheduler (a name or own); model (mini or DIR);\n\
                  size (512x768 or own); long-prompt (truncate or chunk)."
)]
pub struct Arguments {
    /// The subject's short name, such as ada
    subject: Handle,

    /// Who is in the picture, with expression and gaze
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    subject_block: Option<String>,

    /// Framing, lens, depth of field
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    camera: Option<String>,

    /// Where the light comes from, and how hard it is
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    lighting: Option<String>,

    /// Photograph, painting, mood; one direction only
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    style: Option<String>,

    /// What must be so: background, clothing, crop
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    constraints: Option<String>,

    /// What to keep away from
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    negative: Option<String>,

    /// An approved reference, such as ada-r3, or none [default: the newest approved one]
    #[arg(long, value_name = "REFERENCE|none", value_parser = reference, help_heading = "What to make")]
    reference: Option<Wanted>,

    /// Seeds as a list (7,8,9) or a count (7x3: three from 7 on) [default: 0x3]
    #[arg(long, value_name = "N,N|NxCOUNT", help_heading = "What to make")]
    seeds: Option<Seeds>,

    /// The run to start from
    #[arg(long, value_name = "RUN", help_heading = "From another run")]
    parent: Option<TaskId>,

    /// One variable that changes against the parent; may be repeated with --debug
    #[arg(long, value_name = "NAME=VALUE", value_parser = change::parse, requires = "parent", help_heading = "From another run")]
    set: Vec<(Variable, String)>,

    /// Why several variables change at once; it is kept with the run
    #[arg(long, value_name = "REASON", requires = "parent", help_heading = "From another run")]
    debug: Option<String>,

    /// The balance it is made for, such as balanced or identity-first; kept with the run
    #[arg(long, value_name = "NAME", help_heading = "Queue")]
    profile: Option<String>,

    /// Which runs go first: low, normal or high
    #[arg(long, value_name = "PRIORITY", default_value = "normal", value_parser = priority, help_heading = "Queue")]
    priority: Priority,

    /// Keep it as a draft instead of queueing it
    #[arg(long, help_heading = "Queue")]
    draft: bool,

    /// Work through the queue here until this run is over
    #[arg(long, conflicts_with = "draft", help_heading = "Queue")]
    wait: bool,

    /// Print the run as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    settings: SettingsArguments,
}

/// A reference that was named, or the wish for none.
pub type Wanted = Option<ReferenceName>;

/// A run that was waited for came to another end.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotDone(String);

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    arguments.settings.check_size()?;
    let store = Arc::new(project::open(project)?);
    let reader = store.reader()?;
    let subject = reader.subject(&arguments.subject)?;
    let parent = arguments.parent.as_ref().map(|task| reader.run(task)).transpose()?;

    let recipe = arguments.recipe(&reader, &subject, parent.as_ref())?;
    let seeds = match (&arguments.seeds, &parent) {
        (Some(seeds), _) => seeds.clone(),
        (None, Some(parent)) => parent.seeds.clone(),
        (None, None) => runs::default_seeds(),
    };
    let new = NewRun {
        parent: parent.as_ref().map(|parent| parent.id),
        debug_reason: arguments.debug.clone(),
        profile: arguments.profile.clone().or_else(|| parent.and_then(|parent| parent.profile)),
        priority: arguments.priority,
        draft: arguments.draft,
        ..NewRun::new(subject.id, recipe, seeds)
    };
    let mut made = runs::queue(&store, &reader, &new)?;
    if arguments.wait {
        worker::work_until(store, Until::RunOver(made.id))?;
        made = reader.run_by_id(made.id)?;
        if made.state != RunState::Done {
            let why = made.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            return Err(NotDone(format!("{} is {}{why}", made.task, made.state)).into());
        }
    }
    if arguments.json {
        return Ok(print::document(&document(&reader, &made)?)?);
    }
    tell(&reader, &made)
}

/// The document of `--json`.
fn document(reader: &Reader, run: &Run) -> anyhow::Result<Value> {
    facts::run(reader, run)
}

fn tell(reader: &Reader, run: &Run) -> anyhow::Result<()> {
    let reference = run.recipe.reference.map(|reference| reader.reference_by_id(reference)).transpose()?;
    let seeds = print::counted(run.seeds.as_slice().len() as u64, "seed");
    let with = reference.map_or("no reference".to_owned(), |reference| format!("the reference {}", reference.name));
    print::line(&format!("{} is {}: {seeds}, {with}.", run.task, run.state))?;
    for change in run.delta.iter().flat_map(|delta| &delta.changes) {
        print::line(&format!("  {}", print::change(change)))?;
    }
    Ok(())
}

impl Arguments {
    /// What the parent says, or the usual; then `--set`; then the flags.
    fn recipe(&self, reader: &Reader, subject: &Subject, parent: Option<&Run>) -> anyhow::Result<Recipe> {
        let mut recipe = match parent {
            Some(parent) => parent.recipe.clone(),
            None => runs::default_recipe(self.model.model.as_deref()),
        };
        for (variable, value) in &self.set {
            change::apply(&mut recipe, *variable, value, reader)?;
        }
        for (block, words) in self.blocks() {
            recipe.prompt.set(block, words);
        }
        if let Some(words) = &self.negative {
            recipe.prompt.set_negative(words);
        }
        if let Some(checkpoint) = &self.model.model {
            recipe.model = Model::named(&change::checkpoint(checkpoint)?);
        }
        if let Some(adapter) = &self.model.adapter {
            recipe.model.adapter = Some(change::whole(adapter)?);
            recipe.model.image_encoder = self.model.image_encoder.as_deref().map(change::whole).transpose()?;
        }
        recipe.settings = self.settings.over(recipe.settings);
        recipe.reference = match (&self.reference, parent) {
            (Some(wanted), _) => change::reference(wanted, reader)?,
            (None, Some(_)) => recipe.reference,
            (None, None) => {
                let newest = references::newest_approved(reader, subject.id)?;
                if newest.is_none() {
                    let handle = &subject.handle;
                    project::note(&format!("{handle} has no approved reference, so the prompt alone decides"));
                }
                newest.map(|reference| reference.id)
            }
        };
        Ok(recipe)
    }

    fn blocks(&self) -> impl Iterator<Item = (Block, &str)> {
        let words = [&self.subject_block, &self.camera, &self.lighting, &self.style, &self.constraints];
        Block::ALL.into_iter().zip(words).filter_map(|(block, words)| Some((block, words.as_deref()?)))
    }
}

fn reference(text: &str) -> Result<Wanted, String> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: crate::studio::subject::BadName| error.to_string())
}

pub fn priority(name: &str) -> Result<Priority, String> {
    let found = Priority::ALL.into_iter().find(|priority| priority.name() == name);
    found.ok_or_else(|| "choose low, normal or high".to_owned())
}
