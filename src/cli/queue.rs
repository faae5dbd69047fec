//! `queue`: what runs and waits, and changing that.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::lookup::now;
use super::project::{self, ProjectArguments};
use super::{facts, print};
use crate::service;
use crate::store::Reader;
use crate::studio::run::Run;
use crate::studio::state::Priority;
use crate::studio::subject::TaskId;

/// See what runs and what waits, and change it
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento queue list\n  pentimento queue reorder ada-0042 --before ada-0040")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the runs under way, then those that wait, in the order they will be taken
    List(List),
    /// Queue a draft that was kept back with `run --draft`
    Add(Named),
    /// Delete a draft; everything else stays in the history
    Discard(Named),
    /// Cancel a run: at once while it waits, between two steps while it runs
    Cancel(Named),
    /// Queue a failed or cancelled run again; the pictures it has already made count
    Retry(Named),
    /// Move a waiting run before another, or into another priority
    Reorder(Reorder),
    /// Let the queue stand still; what is under way goes on
    Pause(Pause),
    /// Let the queue go on
    Resume,
}

#[derive(Args)]
struct List {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// Print the queue as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Named {
    /// The run, such as ada-0042
    run: TaskId,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("where to").required(true))]
struct Reorder {
    /// The run, such as ada-0042
    run: TaskId,

    /// The run that it is to come before
    #[arg(long, value_name = "RUN", group = "where to")]
    before: Option<TaskId>,

    /// The priority it is to have: low, normal or high
    #[arg(long, value_name = "PRIORITY", value_parser = super::run::priority, group = "where to")]
    priority: Option<Priority>,
}

#[derive(Args)]
struct Pause {
    /// Why, for whoever wonders later
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = match &arguments.command {
        Command::List(arguments) => return list(arguments, &project::open_read_only(project)?),
        _ => project::open(project)?,
    };
    let reader = store.reader()?;
    match &arguments.command {
        Command::List(_) => Ok(()),
        Command::Add(Named { run }) => {
            store.enqueue(reader.run(run)?.id, now())?;
            Ok(print::line(&format!("{run} is queued."))?)
        }
        Command::Discard(Named { run }) => {
            store.discard_draft(reader.run(run)?.id)?;
            Ok(print::line(&format!("{run} is gone."))?)
        }
        Command::Cancel(Named { run }) => {
            let state = service::queue::cancel(&store, reader.run(run)?.id)?;
            let said = if state.is_over() { "is cancelled" } else { "stops after the step under way" };
            Ok(print::line(&format!("{run} {said}."))?)
        }
        Command::Retry(Named { run }) => {
            service::queue::retry(&store, reader.run(run)?.id)?;
            Ok(print::line(&format!("{run} is queued again."))?)
        }
        Command::Reorder(Reorder { run, before, priority }) => {
            let id = reader.run(run)?.id;
            if let Some(before) = before {
                service::queue::move_before(&store, id, reader.run(before)?.id)?;
            }
            if let Some(priority) = priority {
                store.set_priority(id, *priority)?;
            }
            Ok(print::line(&format!("{run} is moved."))?)
        }
        Command::Pause(Pause { reason }) => {
            service::queue::pause(&store, reason)?;
            Ok(print::line("The queue stands still; `pentimento queue resume` lets it go on.")?)
        }
        Command::Resume => {
            service::queue::resume(&store)?;
            Ok(print::line("The queue goes on.")?)
        }
    }
}

fn list(arguments: &List, reader: &Reader) -> anyhow::Result<()> {
    let runs = reader.queue(arguments.limit)?;
    let paused = reader.paused()?.map(|pause| pause.to_string());
    if arguments.json {
        let runs = runs.iter().map(|run| facts::run(reader, run)).collect::<anyhow::Result<Vec<Value>>>()?;
        return Ok(print::document(&json!({"paused": paused, "runs": runs}))?);
    }
    if let Some(reason) = paused {
        print::line(&format!("The queue stands still: {reason}"))?;
    }
    if runs.is_empty() {
        return Ok(print::line("Nothing runs, and nothing waits.")?);
    }
    Ok(print::table(&runs.iter().map(row).collect::<Vec<_>>())?)
}

fn row(run: &Run) -> Vec<String> {
    let progress = &run.progress;
    let how_far = match progress.steps {
        0 => String::new(),
        steps => format!("step {} of {steps}", progress.step),
    };
    vec![
        run.task.to_string(),
        run.state.name().to_owned(),
        progress.priority.name().to_owned(),
        print::counted(run.seeds.as_slice().len() as u64, "picture"),
        how_far,
    ]
}
