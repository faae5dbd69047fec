//! `baseline`: the picture that a subject's further runs are held against.

use clap::Args;
use serde_json::json;

use super::lookup::{self, now};
use super::print;
use super::project::{self, ProjectArguments};
use crate::studio::review::Rubric;
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
    let (run, output) = lookup::output(&reader, &arguments.output)?;
    let before = lookup::baseline(&reader, run.subject)?;
    let (who, at) = (lookup::reviewer(arguments.reviewer.as_deref()), now());
    store.set_baseline(output.id, Rubric::embedded(), &who, arguments.reason.trim(), at)?;

    let (name, subject) = (&arguments.output, &run.task.subject);
    if arguments.json {
        let kept = reader.baseline(run.subject)?;
        return Ok(print::document(&json!({
            "subject": subject.as_str(),
            "baseline": name.to_string(),
            "before": before.map(|name| name.to_string()),
            "set_by": kept.as_ref().map(|baseline| &baseline.set_by),
            "reason": kept.as_ref().map(|baseline| &baseline.note),
            "since": kept.map(|baseline| baseline.since.to_string()),
        }))?);
    }
    let before =
        before.filter(|before| before != name).map_or_else(String::new, |before| format!("; before it was {before}"));
    Ok(print::line(&format!("{name} is the baseline of {subject} now{before}."))?)
}
