//! `run`: queues a run, new or from a parent. `set` applies `--set NAME=VALUE`.

mod set;

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::worker;
use crate::cli::args::model::ModelArguments;
use crate::cli::args::settings::SettingsArguments;
use crate::cli::args::values::{self, ReferenceChoice};
use crate::cli::output::{describe, facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::{references, runs};
use crate::store::Reader;
use crate::store::runs::NewRun;
use crate::studio::prompt::Block;
use crate::studio::prompt_syntax;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::run::Run;
use crate::studio::seeds::GivenSeeds;
use crate::studio::state::{Priority, RunState};
use crate::studio::subject::{Handle, Subject, TaskId};
use crate::studio::variable::Variable;
use crate::worker::Until;

/// Queue a run: a prompt in five blocks, a reference, settings and seeds
///
/// With --parent, the run starts from that run and changes one variable, with --set or with the flag of the same name.
/// To change several at once, add --debug with a reason: the result will not show which change mattered. Different
/// seeds do not count as a change.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  pentimento run ada --subject-block \"a violinist, calm gaze\" \\\n      --lighting \"soft window light\"\n  \
                  pentimento run ada --parent ada-0001 --set guidance=6.5\n  \
                  pentimento run ada --parent ada-0001 --seeds 3x6\n\n\
                  Variables of --set:\n  \
                  subject, camera, lighting, style, constraints, negative  text\n  \
                  reference                                                ada-r3 or none\n  \
                  guidance, steps, adapter-weight                          a number\n  \
                  scheduler                                                a name or own\n  \
                  model                                                    mini or DIR\n  \
                  size                                                     512x768 or own\n  \
                  long-prompt                                              truncate or chunk"
)]
pub struct Arguments {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Who is in the picture, with expression and gaze
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    subject_block: Option<String>,

    /// Framing, lens, depth of field
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    camera: Option<String>,

    /// Where the light comes from, and how hard it is
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    lighting: Option<String>,

    /// Photograph, painting, mood; one direction only
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    style: Option<String>,

    /// Background, clothing, crop
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    constraints: Option<String>,

    /// What to avoid
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    negative: Option<String>,

    /// An approved reference, such as ada-r3, or none [default: the newest approved one]
    #[arg(long, value_name = "REFERENCE|none", value_parser = values::reference, help_heading = "Prompt")]
    reference: Option<ReferenceChoice>,

    /// Seeds as a list (7,8,9) or start×count (7x3); -1 draws one [default: 0x3, or the parent's]
    #[arg(long, value_name = "N,N|NxCOUNT", value_parser = values::seeds, allow_hyphen_values = true, help_heading = "Prompt")]
    seeds: Option<GivenSeeds>,

    /// The run to start from
    #[arg(long, value_name = "RUN", help_heading = "Parent")]
    parent: Option<TaskId>,

    /// Change one variable; repeat it with --debug
    #[arg(long, value_name = "NAME=VALUE", value_parser = set::parse, requires = "parent", help_heading = "Parent")]
    set: Vec<(Variable, String)>,

    /// Why several variables change at once; kept with the run
    #[arg(long, value_name = "REASON", requires = "parent", help_heading = "Parent")]
    debug: Option<String>,

    /// A profile, such as balanced or identity-first; kept with the run
    #[arg(long, value_name = "NAME", help_heading = "Queue")]
    profile: Option<String>,

    /// The priority: low, normal or high
    #[arg(long, value_name = "PRIORITY", default_value = "normal", value_parser = values::priority, help_heading = "Queue")]
    priority: Priority,

    /// Save the run as a draft instead of queueing it
    #[arg(long, help_heading = "Queue")]
    draft: bool,

    /// Process the queue here until this run is over
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

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    arguments.settings.check_size()?;
    let store = Arc::new(project::open(project)?);
    let reader = store.reader()?;
    let subject = reader.subject(&arguments.subject)?;
    let parent = arguments.parent.as_ref().map(|task| reader.run(task)).transpose()?;

    let mut notes = Vec::new();
    let recipe = arguments.recipe(&reader, &subject, parent.as_ref(), &mut notes)?;
    notes.extend(prompt_syntax::notes(&[&recipe.prompt.assembled(), recipe.prompt.negative()]));
    let seeds = match (&arguments.seeds, &parent) {
        (Some(given), _) => given.seeds.clone(),
        (None, Some(parent)) => parent.seeds.clone(),
        (None, None) => runs::default_seeds(),
    };
    if arguments.seeds.as_ref().is_some_and(|given| given.drawn) {
        notes.push(format!("--seeds with -1 drew {seeds}"));
    }
    notes.iter().for_each(|note| print::note(note));
    let new = NewRun {
        parent: parent.as_ref().map(|parent| parent.id),
        debug_reason: arguments.debug.clone(),
        profile: arguments.profile.clone().or_else(|| parent.and_then(|parent| parent.profile)),
        priority: arguments.priority,
        draft: arguments.draft,
        ..NewRun::new(subject.id, recipe, seeds)
    };
    let mut run = runs::queue(&store, &reader, &new)?;
    if arguments.wait {
        worker::work_until(store, Until::RunOver(run.id))?;
        run = reader.run_by_id(run.id)?;
        if run.state != RunState::Done {
            let reason = run.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            anyhow::bail!("{} is {}{reason}", run.task, run.state);
        }
    }
    if arguments.json {
        let mut document = facts::run(&reader, &run)?;
        document["notes"] = json!(notes);
        return Ok(print::document(&document)?);
    }
    print_text(&reader, &run)
}

fn print_text(reader: &Reader, run: &Run) -> anyhow::Result<()> {
    let reference = run.recipe.reference.map(|reference| reader.reference_by_id(reference)).transpose()?;
    let seeds = describe::count(run.seeds.as_slice().len() as u64, "seed");
    let reference = reference.map_or("no reference".to_owned(), |reference| format!("reference {}", reference.name));
    print::line(&format!("{}: {}, {seeds}, {reference}.", run.task, run.state))?;
    for change in run.delta.iter().flat_map(|delta| &delta.changes) {
        print::line(&format!("  {}", describe::change(change)))?;
    }
    Ok(())
}

impl Arguments {
    /// The parent's recipe or the default one, changed first by `--set`, then by the flags. Adds to the notes what the
    /// user should know before the run.
    fn recipe(
        &self,
        reader: &Reader,
        subject: &Subject,
        parent: Option<&Run>,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Recipe> {
        let mut recipe = match parent {
            Some(parent) => parent.recipe.clone(),
            None => runs::default_recipe(self.model.model.as_deref()),
        };
        for (variable, value) in &self.set {
            set::apply(&mut recipe, *variable, value, reader)?;
        }
        for (block, text) in self.blocks() {
            recipe.prompt.set(block, text);
        }
        if let Some(text) = &self.negative {
            recipe.prompt.set_negative(text);
        }
        if let Some(checkpoint) = &self.model.model {
            recipe.model = Model::named(&set::checkpoint(checkpoint)?);
        }
        if let Some(adapter) = &self.model.adapter {
            recipe.model.adapter = Some(set::absolute(adapter)?);
            recipe.model.image_encoder = self.model.image_encoder.as_deref().map(set::absolute).transpose()?;
        }
        recipe.settings = self.settings.apply(recipe.settings);
        recipe.reference = match (&self.reference, parent) {
            (Some(choice), _) => set::reference(choice, reader)?,
            (None, Some(_)) => recipe.reference,
            (None, None) => {
                let newest = references::newest_approved(reader, subject.id)?;
                if newest.is_none() {
                    let handle = &subject.handle;
                    notes.push(format!("{handle} has no approved reference: this run uses the prompt alone"));
                }
                newest.map(|reference| reference.id)
            }
        };
        Ok(recipe)
    }

    fn blocks(&self) -> impl Iterator<Item = (Block, &str)> {
        let texts = [&self.subject_block, &self.camera, &self.lighting, &self.style, &self.constraints];
        Block::ALL.into_iter().zip(texts).filter_map(|(block, text)| Some((block, text.as_deref()?)))
    }
}
