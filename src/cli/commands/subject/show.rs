//! `subject show`: everything about one subject.

use clap::Args;
use serde_json::json;

use crate::cli::output::{describe, facts, print, tables};
use crate::cli::project::{self, ProjectArguments};
use crate::service::reviews;
use crate::studio::subject::Handle;
use jiff::Timestamp;

/// Show a subject: its consents, references, baseline and newest runs
#[derive(Args)]
pub struct Arguments {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Print the subject as one JSON document
    #[arg(long)]
    json: bool,
}

/// How many of the newest runs are shown.
const RUNS: u32 = 10;

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let subject = reader.subject(&arguments.subject)?;
    let consents = reader.consents(subject.id)?;
    let references = reader.references(subject.id)?;
    let runs = reader.runs(subject.id, None, RUNS)?;
    let baseline = reviews::baseline(&reader, subject.id)?;

    if arguments.json {
        let mut document = facts::subject(&subject);
        let now = Timestamp::now();
        let rights = consents.iter().zip(1..).map(|(consent, number)| facts::consent(number, consent, now));
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
        ("added", describe::minute(subject.created)),
        ("baseline", baseline.map_or("none".to_owned(), |name| name.to_string())),
    ])?;
    print::line("Consents")?;
    tables::consents(&consents)?;
    print::line("References")?;
    tables::references(&references)?;
    print::line("Newest runs")?;
    Ok(tables::runs(&runs)?)
}
