//! `runs`: lists runs, or searches their texts.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::{facts, print, tables};
use crate::cli::project::{self, ProjectArguments};
use crate::store::runs::RunLine;
use crate::store::search::{END, FOUND, Hit, Place};
use crate::studio::subject::Handle;

/// List runs, newest first, or search prompts, notes and diagnoses
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento runs ada\n  pentimento runs ada --search \"soft light\"")]
pub struct Arguments {
    /// Only this subject, by its handle
    subject: Option<Handle>,

    /// Search for all of these words; the last one may be incomplete
    ///
    /// Looks at prompts, diagnoses, and the notes of reviews and references.
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,

    /// The maximum number of results
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
        return print_hits(arguments, words, &hits);
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
    Ok(tables::runs(&lines)?)
}

fn print_hits(arguments: &Arguments, words: &str, hits: &[Hit]) -> anyhow::Result<()> {
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
        return Ok(print::line(&format!("No matches for {words:?}."))?);
    }
    Ok(print::table(&rows)?)
}
