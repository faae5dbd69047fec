//! `subject show`: all there is about one subject.

use clap::Args;
use serde_json::json;

use crate::cli::lookup::now;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::service::reviews;
use crate::studio::subject::Handle;

/// Show a subject: its rights, references, baseline and newest runs
#[derive(Args)]
pub struct Arguments {
    /// The subject's short name, such as ada
    subject: Handle,

    /// Print what there is as one JSON document
    #[arg(long)]
    json: bool,
}

/// So many of the newest runs are shown.
const RUNS: u32 = 10;

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let subject = reader.subject(&arguments.subject)?;
    let rights = reader.consents(subject.id)?;
    let references = reader.references(subject.id)?;
    let runs = reader.runs(subject.id, None, RUNS)?;
    let baseline = reviews::baseline(&reader, subject.id)?;

    if arguments.json {
        let mut document = facts::subject(&subject);
        let rights = rights.iter().zip(1..).map(|(right, number)| facts::right(number, right, now()));
        document["rights"] = json!(rights.collect::<Vec<_>>());
        let references = references.iter().map(|reference| facts::reference(&reader, reference));
        document["references"] = json!(references.collect::<Vec<_>>());
        document["baseline"] = json!(baseline.map(|name| name.to_string()));
        document["newest_runs"] = json!(runs.iter().map(|line| line.run.task.to_string()).collect::<Vec<_>>());
        return Ok(print::document(&document)?);
    }
    print::line(subject.handle.as_str())?;
    print::pairs(&[
        ("name", subject.name.clone()),
        ("note", subject.note.clone()),
        ("added", print::minute(subject.created)),
        ("baseline", baseline.map_or("none yet".to_owned(), |name| name.to_string())),
    ])?;
    print::line("Rights")?;
    super::rights::tell(&rights)?;
    print::line("References")?;
    crate::cli::reference::tell(&references)?;
    print::line("Newest runs")?;
    crate::cli::runs::tell(&runs)
}
