//! `runs`: the history, newest first, or what the words of a search are found in.

use clap::Args;
use serde_json::{Value, json};

use super::project::{self, ProjectArguments};
use super::{facts, print};
use crate::store::Reader;
use crate::store::runs::RunLine;
use crate::store::search::{END, FOUND, Place};
use crate::studio::subject::Handle;

/// List runs, newest first, or search prompts, notes and diagnoses
#[derive(Args)]
pub struct Arguments {
    /// Only this subject's
    #[arg(conflicts_with = "search")]
    subject: Option<Handle>,

    /// Where all these words occur; the last may be the beginning of one
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,

    /// Print the list as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    if let Some(words) = &arguments.search {
        return search(arguments, words, &reader);
    }
    let lines = match &arguments.subject {
        Some(subject) => reader.runs(reader.subject(subject)?.id, None, arguments.limit)?,
        None => reader.newest_runs(arguments.limit)?,
    };
    if arguments.json {
        let document = |line: &RunLine| {
            let mut facts = facts::run(&reader, &line.run)?;
            facts["outputs"] = json!(line.outputs);
            facts["accepted"] = json!(line.accepted);
            Ok(facts)
        };
        let runs = lines.iter().map(document).collect::<anyhow::Result<Vec<Value>>>()?;
        return Ok(print::document(&json!({"runs": runs}))?);
    }
    tell(&lines)
}

/// A line for each run.
pub fn tell(lines: &[RunLine]) -> anyhow::Result<()> {
    if lines.is_empty() {
        return Ok(print::line("There are no runs yet; `pentimento run SUBJECT …` queues one.")?);
    }
    Ok(print::table(&lines.iter().map(row).collect::<Vec<_>>())?)
}

fn row(line: &RunLine) -> Vec<String> {
    let run = &line.run;
    let made = print::counted(u64::from(line.outputs), "picture");
    let accepted = if line.accepted == 0 { String::new() } else { format!(", {} accepted", line.accepted) };
    let what = run.delta.as_ref().map_or_else(|| run.recipe.prompt.assembled(), print::delta);
    vec![run.task.to_string(), print::minute(run.created), run.state.name().to_owned(), made + &accepted, what]
}

fn search(arguments: &Arguments, words: &str, reader: &Reader) -> anyhow::Result<()> {
    let hits = reader.search(words, arguments.limit)?;
    let name = |place: &Place| match place {
        Place::Run(_, task) => ("run", task.to_string()),
        Place::Review(_, task) => ("review", task.to_string()),
        Place::Reference(_, reference) => ("reference", reference.to_string()),
    };
    let snippet = |text: &str| text.replace(FOUND, "[").replace(END, "]");
    if arguments.json {
        let hit = |hit: &crate::store::search::Hit| {
            let (kind, name) = name(&hit.place);
            json!({"in": kind, "name": name, "snippet": snippet(&hit.snippet)})
        };
        return Ok(print::document(&json!({"hits": hits.iter().map(hit).collect::<Vec<_>>()}))?);
    }
    if hits.is_empty() {
        return Ok(print::line("Nothing is found.")?);
    }
    let rows: Vec<Vec<String>> = hits
        .iter()
        .map(|hit| {
            let (kind, name) = name(&hit.place);
            vec![kind.to_owned(), name, snippet(&hit.snippet)]
        })
        .collect();
    Ok(print::table(&rows)?)
}
