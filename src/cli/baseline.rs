//! `baseline`: the picture that a subject's further runs are held against.

use clap::Args;
use serde_json::json;

use super::lookup;
use super::print;
use super::project::{self, ProjectArguments};
use crate::service::reviews::{self, NewBaseline};
use crate::studio::subject::OutputName;

/// Make a picture its subject's baseline, which further runs are held against
///
/// The picture must be accepted, scored on every criterion of the rubric, and on none of them too low. The baseline
/// before it ends, and the history keeps it.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento accept ada-0042:7 \\\n      \
                  --score appearance=3,prompt=3,expression=2,skin=3,artifacts=4\n  \
                  pentimento baseline ada-0042:7 --reason \"the first that looks like her\"")]
pub struct Arguments {
    /// The picture by its run and its seed, such as ada-0042:7
    output: OutputName,

    /// Why this one, in a sentence; it is kept
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    /// Who decides [default: the one who is logged in]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,

    /// Print the baseline as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let (_, output) = reviews::output(&reader, &arguments.output)?;
    let who = lookup::reviewer(arguments.reviewer.as_deref());
    let new = reviews::set_baseline(&store, output.id, &who, &arguments.reason)?;

    let NewBaseline { output: name, baseline, before } = &new;
    if arguments.json {
        return Ok(print::document(&json!({
            "subject": name.task.subject.as_str(),
            "baseline": name.to_string(),
            "before": before.as_ref().map(ToString::to_string),
            "set_by": baseline.set_by,
            "reason": baseline.note,
            "since": baseline.since.to_string(),
        }))?);
    }
    print::line(&new.to_string())?;
    if let Some(before) = before.as_ref().filter(|before| *before != name) {
        print::line(&format!("The previous baseline was {before}."))?;
    }
    Ok(())
}
