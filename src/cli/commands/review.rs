//! `review`, `accept`, `reject`: record what a person thinks of a picture.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use crate::cli::args::values;
use crate::cli::failure::UsageError;
use crate::cli::lookup::reviewer;
use crate::cli::output::{facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::reviews;
use crate::store::Reader;
use crate::studio::failures::{Failure, Failures};
use crate::studio::ids::OutputId;
use crate::studio::review::{Criterion, Judgement, Key, Rubric, Score, Verdict};
use crate::studio::subject::OutputName;

/// Review a picture: failures, scores, a note, and a diagnosis of its run
///
/// Every review is kept. The newest score on each criterion counts. `accept` and `reject` take the same options and
/// also give a verdict.
#[derive(Args)]
#[command(after_help = REVIEW, after_long_help = with_keys(REVIEW))]
pub struct Review {
    #[command(flatten)]
    shared: Shared,
}

/// Accept a picture, with a review if you like
///
/// Only an accepted picture with a score on every criterion can become the baseline.
#[derive(Args)]
#[command(after_help = ACCEPT, after_long_help = with_keys(ACCEPT))]
pub struct Accept {
    #[command(flatten)]
    shared: Shared,
}

/// Reject a picture, and say what failed
///
/// The picture stays in the history.
#[derive(Args)]
#[command(after_help = REJECT, after_long_help = with_keys(REJECT))]
pub struct Reject {
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct Shared {
    /// The picture: run and seed, such as ada-0042:7
    output: OutputName,

    /// What failed, by its key (--help lists them); repeat it or use commas for more
    #[arg(long, value_name = "KEY", value_parser = values::failure, value_delimiter = ',')]
    failure: Vec<Key>,

    /// A score from 0 (absent) to 4 (excellent), such as skin=3; repeat it or use commas for more
    #[arg(long, value_name = "CRITERION=N", value_parser = values::score, value_delimiter = ',')]
    score: Vec<(Key, Score)>,

    /// A note about the picture
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,

    /// Who reviews [default: the reviewer of the settings, else your user name]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,

    /// One sentence about the whole run; replaces an earlier one
    #[arg(long, value_name = "TEXT")]
    diagnosis: Option<String>,

    /// Print the picture with its reviews as one JSON document
    #[arg(long)]
    json: bool,
}

const REVIEW: &str = "Example:\n  pentimento review ada-0042:7 --failure waxy --score skin=1 --note \"too smooth\"";
const ACCEPT: &str =
    "Example:\n  pentimento accept ada-0042:7 \\\n      --score appearance=3,prompt=3,expression=2,skin=3,artifacts=4";
const REJECT: &str = "Example:\n  pentimento reject ada-0042:7 --failure wrong-face \\\n      \
                      --diagnosis \"the style overrides the reference\"";

pub fn review(arguments: &Review, project: &ProjectArguments) -> anyhow::Result<()> {
    record(&arguments.shared, Verdict::Open, project)
}

pub fn accept(arguments: &Accept, project: &ProjectArguments) -> anyhow::Result<()> {
    record(&arguments.shared, Verdict::Accepted, project)
}

pub fn reject(arguments: &Reject, project: &ProjectArguments) -> anyhow::Result<()> {
    record(&arguments.shared, Verdict::Rejected, project)
}

fn record(shared: &Shared, verdict: Verdict, project: &ProjectArguments) -> anyhow::Result<()> {
    let judgement = shared.judgement(verdict)?;
    let is_empty = judgement == Judgement { reviewer: judgement.reviewer.clone(), ..Judgement::default() };
    if is_empty && shared.diagnosis.is_none() {
        let name = &shared.output;
        let advice = "add --failure, --score, --note or --diagnosis, or use `accept` or `reject`";
        return Err(UsageError(format!("the review of {name} is empty: {advice}")).into());
    }
    let store = project::open(project)?;
    let reader = store.reader()?;
    let (_, output) = reviews::output(&reader, &shared.output)?;
    reviews::record(&store, output.id, (!is_empty).then_some(&judgement), shared.diagnosis.as_deref())?;

    let (run, output) = reviews::output(&reader, &shared.output)?;
    if shared.json {
        let mut document = facts::output(&reader, &run, &output)?;
        document["task"] = json!(run.task.to_string());
        document["diagnosis"] = json!(run.diagnosis);
        return Ok(print::document(&document)?);
    }
    let done = match verdict {
        Verdict::Open => "Reviewed",
        Verdict::Accepted => "Accepted",
        Verdict::Rejected => "Rejected",
    };
    print::line(&format!("{done} {}.", shared.output))?;
    let table = Failures::embedded();
    let actions = judgement.failures.iter().filter_map(|key| Some((key.as_str(), table.get(key).ok()?.action.clone())));
    print::pairs(&actions.collect::<Vec<_>>())?;
    if verdict == Verdict::Accepted { print_way_to_baseline(&reader, output.id, &shared.output) } else { Ok(()) }
}

fn print_way_to_baseline(reader: &Reader, output: OutputId, name: &OutputName) -> anyhow::Result<()> {
    let missing = Rubric::embedded().missing(&reader.scores(output)?);
    if missing.is_empty() {
        return Ok(print::line(&format!("Next: pentimento baseline {name}"))?);
    }
    let missing: Vec<&str> = missing.iter().map(Key::as_str).collect();
    print::line("Before it can become the baseline, score:")?;
    Ok(print::table(&[vec![format!("  {}", missing.join(", "))]])?)
}

impl Shared {
    fn judgement(&self, verdict: Verdict) -> Result<Judgement, UsageError> {
        let mut scores = BTreeMap::new();
        for (criterion, score) in &self.score {
            if scores.insert(criterion.clone(), *score).is_some() {
                return Err(UsageError(format!("--score {criterion} is given twice: keep one of them")));
            }
        }
        Ok(Judgement {
            reviewer: reviewer(self.reviewer.as_deref()),
            note: self.note.trim().to_owned(),
            failures: self.failure.iter().cloned().collect(),
            scores,
            verdict,
        })
    }
}

/// An example, then the keys of all failures and criteria.
fn with_keys(example: &str) -> String {
    let failures = Failures::embedded().all();
    let width = failures.iter().map(|failure| failure.key.as_str().len()).max().unwrap_or(0);
    let failure = |failure: &Failure| format!("  {:<width$}  {}\n", failure.key.as_str(), failure.name);
    let criterion = |criterion: &Criterion| {
        format!("  {}={}\n      {}\n", criterion.key, criterion.minimum.get(), criterion.question)
    };
    let failures: String = failures.iter().map(failure).collect();
    let criteria: String = Rubric::embedded().criteria.iter().map(criterion).collect();
    format!("{example}\n\nFailures:\n{failures}\nCriteria, with the score a baseline needs:\n{criteria}")
}
