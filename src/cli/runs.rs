//! `runs`: the history, newest first, or what the words of a search are found in.

use clap::Args;
use serde_json::{Value, json};

use super::project::{self, ProjectArguments};
use super::{facts, print};
use crate::store::runs::RunLine;
use crate::store::search::{END, FOUND, Hit, Place};
use crate::studio::subject::Handle;

/// List runs, newest first, or search prompts, notes and diagnoses
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento runs ada\n  pentimento runs ada --search \"soft light\"")]
pub struct Arguments {
    /// Only what belongs to this subject, by its short name
    subject: Option<Handle>,

    /// Look instead where all these words occur, in prompts, diagnoses, and the notes of reviews and references; the
    /// last may be the beginning of a word
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
    let subject = arguments.subject.as_ref().map(|subject| reader.subject(subject)).transpose()?;
    if let Some(words) = &arguments.search {
        let hits = match subject {
            Some(subject) => reader.search_subject(subject.id, words, arguments.limit)?,
            None => reader.search(words, arguments.limit)?,
        };
        return tell_hits(arguments, &hits);
    }
    let lines = match subject {
        Some(subject) => reader.runs(subject.id, None, arguments.limit)?,
        None => reader.newest_runs(arguments.limit)?,
    };
    if arguments.json {
        let document = |line: &RunLine| {
            let mut facts = facts::run(&reader, &line.run)?;
            facts["outputs"] = json!(line.outputs);
            facts["accepted"] = json!(line.accepted);
            facts["rejected"] = json!(line.rejected);
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
    Ok(print::list(&lines.iter().map(row).collect::<Vec<_>>())?)
}

fn row(line: &RunLine) -> Vec<String> {
    let run = &line.run;
    let made = print::counted(u64::from(line.outputs), "picture");
    let accepted = if line.accepted == 0 { String::new() } else { format!(", {} accepted", line.accepted) };
    let changed = run.delta.as_ref().map(print::delta).filter(|changed| !changed.is_empty());
    let what = changed.unwrap_or_else(|| run.recipe.prompt.assembled());
    vec![run.task.to_string(), print::day(run.created), run.state.name().to_owned(), made + &accepted, what]
}

fn tell_hits(arguments: &Arguments, hits: &[Hit]) -> anyhow::Result<()> {
    let row = |hit: &Hit| {
        let (kind, name) = match &hit.place {
            Place::Run(_, task) => ("run", task.to_string()),
            Place::Review(_, task) => ("review", task.to_string()),
            Place::Reference(_, reference) => ("reference", reference.to_string()),
        };
        vec![kind.to_owned(), name, hit.snippet.replace(FOUND, "[").replace(END, "]")]
    };
    let rows: Vec<Vec<String>> = hits.iter().map(row).collect();
    if arguments.json {
        let hit = |row: &Vec<String>| json!({"in": row[0], "name": row[1], "snippet": row[2]});
        return Ok(print::document(&json!({"hits": rows.iter().map(hit).collect::<Vec<_>>()}))?);
    }
    if rows.is_empty() {
        return Ok(print::line("Nothing is found.")?);
    }
    Ok(print::table(&rows)?)
}
