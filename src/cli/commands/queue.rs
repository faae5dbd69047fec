//! `queue`: shows and changes the queue.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::values;
use crate::cli::output::{describe, facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::queue;
use crate::store::Reader;
use crate::studio::prompt_syntax;
use crate::studio::run::Run;
use crate::studio::state::Priority;
use crate::studio::subject::TaskId;

/// Show and change the queue
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento queue list\n  pentimento queue reorder ada-0042 --before ada-0040")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List running runs, then queued ones in their order
    List(List),
    /// Queue a draft made with `run --draft`
    Add(Named),
    /// Delete a draft
    Discard(Named),
    /// Cancel a run: at once if it is queued, after the current step if it is running
    Cancel(Named),
    /// Queue a failed or cancelled run again; it keeps the pictures it has
    Retry(Named),
    /// Move a queued run before another one, or change its priority
    Reorder(Reorder),
    /// Pause the queue: runs in progress finish, and no other run starts
    Pause(Pause),
    /// Resume the queue
    Resume,
}

#[derive(Args)]
struct List {
    /// The maximum number of runs
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

    /// Move it before this run
    #[arg(long, value_name = "RUN", group = "where to")]
    before: Option<TaskId>,

    /// Change its priority to low, normal or high
    #[arg(long, value_name = "PRIORITY", value_parser = values::priority, group = "where to")]
    priority: Option<Priority>,
}

#[derive(Args)]
struct Pause {
    /// Why; shown while the queue is paused
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    if let Command::List(arguments) = &arguments.command {
        return list(arguments, &project::open_read_only(project)?);
    }
    let store = project::open(project)?;
    let reader = store.reader()?;
    let text = match &arguments.command {
        Command::List(_) => return Ok(()),
        Command::Add(Named { run }) => {
            let draft = reader.run(run)?;
            store.enqueue(draft.id, Timestamp::now())?;
            let prompt = &draft.recipe.prompt;
            let notes = prompt_syntax::notes(&[&prompt.assembled(), prompt.negative()]);
            notes.iter().for_each(|note| print::note(note));
            format!("Queued {run}.")
        }
        Command::Discard(Named { run }) => {
            store.discard_draft(reader.run(run)?.id)?;
            format!("Deleted the draft {run}.")
        }
        Command::Cancel(Named { run }) => match queue::cancel(&store, reader.run(run)?.id)?.is_over() {
            true => format!("Cancelled {run}."),
            false => format!("{run} stops after the current step."),
        },
        Command::Retry(Named { run }) => {
            queue::retry(&store, reader.run(run)?.id)?;
            format!("Queued {run} again.")
        }
        Command::Reorder(Reorder { run, before, priority }) => {
            let id = reader.run(run)?.id;
            if let Some(before) = before {
                queue::move_before(&store, id, reader.run(before)?.id)?;
            }
            if let Some(priority) = priority {
                store.set_priority(id, *priority)?;
            }
            format!("Moved {run}.")
        }
        Command::Pause(Pause { reason }) => {
            queue::pause(&store, reason)?;
            "Paused the queue. Resume it with pentimento queue resume.".to_owned()
        }
        Command::Resume => {
            queue::resume(&store)?;
            "Resumed the queue.".to_owned()
        }
    };
    Ok(print::line(&text)?)
}

fn list(arguments: &List, reader: &Reader) -> anyhow::Result<()> {
    let runs = reader.queue(arguments.limit)?;
    let paused = reader.paused()?.map(|pause| pause.to_string());
    let (workers, now) = (reader.workers()?, Timestamp::now());
    if arguments.json {
        let runs = runs.iter().map(|run| facts::run(reader, run)).collect::<anyhow::Result<Vec<Value>>>()?;
        let workers: Vec<Value> = workers.iter().map(|worker| facts::worker(worker, now)).collect();
        return Ok(print::document(&json!({"paused": paused, "runs": runs, "workers": workers}))?);
    }
    print::lines(workers.iter().map(|worker| describe::worker(worker, now)))?;
    if let Some(reason) = paused {
        print::line(&format!("Queue paused: {reason}"))?;
    }
    if runs.is_empty() {
        return Ok(print::line("Queue empty.")?);
    }
    Ok(print::table(&runs.iter().map(row).collect::<Vec<_>>())?)
}

fn row(run: &Run) -> Vec<String> {
    let progress = &run.progress;
    let step = if progress.steps == 0 { String::new() } else { format!("step {}/{}", progress.step, progress.steps) };
    vec![
        run.task.to_string(),
        run.state.name().to_owned(),
        progress.priority.name().to_owned(),
        describe::count(run.seeds.as_slice().len() as u64, "picture"),
        step,
    ]
}
