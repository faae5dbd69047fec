//! `ref approve`, `ref reject`, `ref retire`: record a decision about references.

use clap::Args;
use serde_json::json;

use crate::cli::lookup::reviewer;
use crate::cli::output::{facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::references;
use crate::store::references::Opinion;
use crate::studio::reference::Decision;
use crate::studio::subject::ReferenceName;

/// Approve references, so that runs may use them
///
/// A good reference shows one face: frontal, sharp, evenly lit, with a neutral expression and no filter.
#[derive(Args)]
pub struct Approve {
    #[command(flatten)]
    shared: Shared,

    /// Approve although the quality gate rejects it; the reason is kept
    #[arg(long, value_name = "REASON")]
    overrule: Option<String>,
}

/// Reject candidates; you can approve them later
#[derive(Args)]
pub struct Reject {
    #[command(flatten)]
    shared: Shared,
}

/// Retire approved references: no new run uses them, and existing runs stay
#[derive(Args)]
pub struct Retire {
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct Shared {
    /// The references, such as ada-r3
    #[arg(required = true, value_name = "REFERENCE")]
    references: Vec<ReferenceName>,

    /// Why; kept with the reference
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,

    /// Who decides [default: the reviewer of the settings, else your user name]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,

    /// Print the references as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn approve(arguments: &Approve, project: &ProjectArguments) -> anyhow::Result<()> {
    decide(&arguments.shared, Decision::Approve, arguments.overrule.as_deref(), project)
}

pub fn reject(arguments: &Reject, project: &ProjectArguments) -> anyhow::Result<()> {
    decide(&arguments.shared, Decision::Reject, None, project)
}

pub fn retire(arguments: &Retire, project: &ProjectArguments) -> anyhow::Result<()> {
    decide(&arguments.shared, Decision::Retire, None, project)
}

fn decide(
    shared: &Shared,
    decision: Decision,
    overrule: Option<&str>,
    project: &ProjectArguments,
) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let opinion = Opinion {
        reviewer: reviewer(shared.reviewer.as_deref()),
        note: shared.note.clone(),
        overrule: overrule.map(str::to_owned),
    };
    // Find all references first, so that a mistyped name changes nothing.
    let found = shared.references.iter().map(|name| reader.reference(name)).collect::<Result<Vec<_>, _>>()?;
    let mut documents = Vec::new();
    for reference in found {
        let decided = references::decide(&store, reference.id, decision, &opinion)?;
        if shared.json {
            documents.push(facts::reference(&reader, &decided));
        } else {
            print::line(&format!("{} is now {}.", decided.name, decided.state))?;
        }
    }
    if shared.json {
        print::document(&json!({"references": documents}))?;
    }
    Ok(())
}
