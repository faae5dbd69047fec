//! `ref withdraw`: deletes a reference and every picture made with it.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::{OLDER_COPIES, confirm};
use crate::cli::output::{facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::references;
use crate::studio::subject::ReferenceName;

/// Delete a reference permanently, with every picture made with it
///
/// Only its number remains. To withdraw a consent with all its references, use `subject withdraw-consent`.
#[derive(Args)]
pub struct Arguments {
    /// The reference, such as ada-r3
    reference: ReferenceName,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    /// Print what was deleted as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reference = store.reader()?.reference(&arguments.reference)?;
    let name = &reference.name;
    confirm(arguments.yes, &references::withdrawal_consequence(name))?;
    let withdrawal = references::withdraw(&store, reference.id)?;
    if arguments.json {
        let mut document = facts::deletion(&withdrawal.deletion);
        document["reference"] = json!(name.to_string());
        return Ok(print::document(&document)?);
    }
    print::line(&withdrawal.to_string())?;
    print::line(&format!("In total: {}.", withdrawal.deletion))?;
    print::line(&withdrawal.deletion.proof_sentence())?;
    Ok(print::line(OLDER_COPIES)?)
}
