//! `subject forget`: deletes a subject permanently.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::output::{facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::subjects;
use crate::studio::subject::Handle;

/// Delete a subject permanently, with every picture that only it used
///
/// The command then checks the whole project for leftovers. Backups and bundles that you made before still contain the
/// subject: delete them yourself.
#[derive(Args)]
pub struct Arguments {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    /// Print what was deleted as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let subject = store.reader()?.subject(&arguments.subject)?;
    let handle = &subject.handle;
    confirm(
        arguments.yes,
        &format!("This deletes {} ({handle}) with all references, runs and pictures.", subject.name),
    )?;
    let forgotten = subjects::forget(&store, subject.id)?;
    if arguments.json {
        let mut document = facts::deletion(&forgotten.deletion);
        document["subject"] = json!(handle.as_str());
        return Ok(print::document(&document)?);
    }
    print::line(&forgotten.to_string())?;
    print::line(&forgotten.deletion.proof_sentence())?;
    Ok(print::line("Delete older backups and bundles yourself: they still contain the subject.")?)
}
