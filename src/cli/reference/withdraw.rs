//! `ref withdraw`: deleting a reference for good, with all that came of it.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::service::references;
use crate::studio::subject::ReferenceName;

/// Delete a reference for good, with every picture it made; only its number is left
///
/// To withdraw a right with all references under it, use `subject withdraw-consent`.
#[derive(Args)]
pub struct Arguments {
    /// The reference, such as ada-r3
    reference: ReferenceName,

    /// Go on without asking
    #[arg(long)]
    yes: bool,

    /// Print what went as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reference = store.reader()?.reference(&arguments.reference)?;
    let name = &reference.name;
    confirm(arguments.yes, &format!("{name} goes for good, with every picture that was made with it."))?;
    let withdrawal = references::withdraw(&store, reference.id)?;
    if arguments.json {
        let mut document = facts::deletion(&withdrawal.deletion);
        document["reference"] = json!(name.to_string());
        return Ok(print::document(&document)?);
    }
    print::line(&withdrawal.to_string())?;
    Ok(print::line(&format!("Deleted for good: {}.", withdrawal.deletion))?)
}
