//! `subject forget`: deleting a subject for good, and looking whether it is gone.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::service::subjects;
use crate::studio::subject::Handle;

/// Delete a subject for good, with every picture that only it needed
///
/// Says what went, then looks through the whole project for what might be left. Backups and bundles that you made
/// earlier are yours to delete.
#[derive(Args)]
pub struct Arguments {
    /// The subject's short name, such as ada
    subject: Handle,

    /// Go on without asking
    #[arg(long)]
    yes: bool,

    /// Print what went as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let subject = store.reader()?.subject(&arguments.subject)?;
    let handle = &subject.handle;
    confirm(
        arguments.yes,
        &format!("{} ({handle}) goes for good, with all references, runs and pictures.", subject.name),
    )?;
    let forgotten = subjects::forget(&store, subject.id)?;
    if arguments.json {
        let mut document = facts::deletion(&forgotten.deletion);
        document["subject"] = json!(handle.as_str());
        document["verified"] = json!(true);
        return Ok(print::document(&document)?);
    }
    print::line(&forgotten.to_string())?;
    Ok(print::line("Looked through the project: nothing of it is left. Backups made earlier are yours to delete.")?)
}
