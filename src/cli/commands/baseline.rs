//! `baseline`: makes an output the one that its subject's runs are compared with.

use clap::Args;
use serde_json::json;

use crate::cli::lookup::reviewer;
use crate::cli::output::print;
use crate::cli::project::{self, ProjectArguments};
use crate::service::reviews;
use crate::studio::subject::OutputName;

/// Make a picture its subject's baseline
///
/// Further runs are compared with the baseline. The picture must be accepted and scored high enough on every criterion
/// of the rubric. The history keeps earlier baselines.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento accept ada-0042:7 \\\n      \
                  --score appearance=3,prompt=3,expression=2,skin=3,artifacts=4\n  \
                  pentimento baseline ada-0042:7 --reason \"the first good likeness\"")]
pub struct Arguments {
    /// The picture: run and seed, such as ada-0042:7
    output: OutputName,

    /// Why this picture; kept in the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    /// Who decides [default: the reviewer of the settings, else your user name]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,

    /// Print the baseline as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let (_, output) = reviews::output(&store.reader()?, &arguments.output)?;
    let reviewer = reviewer(arguments.reviewer.as_deref());
    let new = reviews::set_baseline(&store, output.id, &reviewer, &arguments.reason)?;
    if arguments.json {
        return Ok(print::document(&json!({
            "subject": new.output.task.subject.as_str(),
            "baseline": new.output.to_string(),
            "before": new.before.as_ref().map(ToString::to_string),
            "set_by": new.baseline.set_by,
            "reason": new.baseline.note,
            "since": new.baseline.since.to_string(),
        }))?);
    }
    Ok(print::line(&new.to_string())?)
}
