//! `review`, `accept`, `reject`: what a person says of a picture.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::failure::Usage;
use super::lookup;
use super::project::{self, ProjectArguments};
use super::{facts, print};
use crate::service::reviews;
use crate::store::Reader;
use crate::studio::failures::{Failure, Failures};
use crate::studio::ids::OutputId;
use crate::studio::review::{Criterion, Judgement, Key, Rubric, Score, Verdict};
use crate::studio::subject::OutputName;

/// Say what you see in a picture: what failed, scores, a note, and a diagnosis of its run
///
/// Every review is kept; of the scores on a criterion, the newest counts. The picture's verdict stays as it is:
/// `accept` and `reject` take the same options and give one.
#[derive(Args)]
#[command(after_help = REVIEW, after_long_help = with_keys(REVIEW))]
pub struct Review {
    #[command(flatten)]
    said: Said,
}

/// Accept a picture, with a review if there is more to say
///
/// A baseline needs a picture that is accepted and scored on every criterion.
#[derive(Args)]
#[command(after_help = ACCEPT, after_long_help = with_keys(ACCEPT))]
pub struct Accept {
    #[command(flatten)]
    said: Said,
}

/// Reject a picture, and say what failed
///
/// The picture stays in the history.
#[derive(Args)]
#[command(after_help = REJECT, after_long_help = with_keys(REJECT))]
pub struct Reject {
    #[command(flatten)]
    said: Said,
}

#[derive(Args)]
struct Said {
    /// The picture by its run and its seed, such as ada-0042:7
    output: OutputName,

    /// What failed, by its key (--help lists them); may be repeated, or be a list with commas
    #[arg(long, value_name = "KEY", value_parser = failure, value_delimiter = ',')]
    failure: Vec<Key>,

    /// A score from 0 (absent) to 4 (as good as it gets), such as skin=3; may be repeated, or be a list
    /// with commas
    #[arg(long, value_name = "CRITERION=N", value_parser = score, value_delimiter = ',')]
    score: Vec<(Key, Score)>,

    /// What else there is to say of the picture
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,

    /// Who says it [default: the one who is logged in]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,

    /// What the run as a whole shows, in a sentence; it takes the place of an earlier one
    #[arg(long, value_name = "TEXT")]
    diagnosis: Option<String>,

    /// Print what is known of the picture now as one JSON document
    #[arg(long)]
    json: bool,
}

// Examples, for the help.
const REVIEW: &str = "Example:\n  pentimento review ada-0042:7 --failure waxy --score skin=1 --note \"too smooth\"";
const ACCEPT: &str =
    "Example:\n  pentimento accept ada-0042:7 \\\n      --score appearance=3,prompt=3,expression=2,skin=3,artifacts=4";
const REJECT: &str = "Example:\n  pentimento reject ada-0042:7 --failure wrong-face \\\n      \
                      --diagnosis \"the style wins over the reference\"";

pub fn review(arguments: &Review, project: &ProjectArguments) -> anyhow::Result<()> {
    keep(&arguments.said, Verdict::Open, project)
}

pub fn accept(arguments: &Accept, project: &ProjectArguments) -> anyhow::Result<()> {
    keep(&arguments.said, Verdict::Accepted, project)
}

pub fn reject(arguments: &Reject, project: &ProjectArguments) -> anyhow::Result<()> {
    keep(&arguments.said, Verdict::Rejected, project)
}

fn keep(said: &Said, verdict: Verdict, project: &ProjectArguments) -> anyhow::Result<()> {
    let judgement = said.judgement(verdict)?;
    let is_review = judgement != Judgement { reviewer: judgement.reviewer.clone(), ..Judgement::default() };
    if !is_review && said.diagnosis.is_none() {
        let name = &said.output;
        let wish = "say it with --failure, --score, --note or --diagnosis, or use `accept` or `reject`";
        return Err(Usage(format!("nothing is said of {name}; {wish}")).into());
    }
    let store = project::open(project)?;
    let reader = store.reader()?;
    let (_, output) = reviews::output(&reader, &said.output)?;
    reviews::record(&store, output.id, is_review.then_some(&judgement), said.diagnosis.as_deref())?;

    let (run, output) = reviews::output(&reader, &said.output)?;
    if said.json {
        let mut document = facts::output(&reader, &run, &output)?;
        document["task"] = json!(run.task.to_string());
        document["diagnosis"] = json!(run.diagnosis);
        return Ok(print::document(&document)?);
    }
    match verdict {
        Verdict::Open => print::line(&format!("What you said of {} is kept.", said.output))?,
        verdict => print::line(&format!("{} is {} now.", said.output, verdict.name()))?,
    }
    let table = Failures::embedded();
    let actions = judgement.failures.iter().filter_map(|key| Some((key.as_str(), table.get(key).ok()?.action.clone())));
    print::pairs(&actions.collect::<Vec<_>>())?;
    if verdict == Verdict::Accepted { tell_what_a_baseline_needs(&reader, output.id, &said.output) } else { Ok(()) }
}

fn tell_what_a_baseline_needs(reader: &Reader, output: OutputId, name: &OutputName) -> anyhow::Result<()> {
    let missing = Rubric::embedded().missing(&reader.scores(output)?);
    if missing.is_empty() {
        return Ok(print::line(&format!("It can be the baseline: pentimento baseline {name}"))?);
    }
    let missing: Vec<&str> = missing.iter().map(Key::as_str).collect();
    print::line("To be the baseline it needs more scores:")?;
    Ok(print::table(&[vec![format!("  {}", missing.join(", "))]])?)
}

impl Said {
    fn judgement(&self, verdict: Verdict) -> Result<Judgement, Usage> {
        let mut scores = BTreeMap::new();
        for (criterion, score) in &self.score {
            if scores.insert(criterion.clone(), *score).is_some() {
                return Err(Usage(format!("--score {criterion} is given twice; give one score for each criterion")));
            }
        }
        Ok(Judgement {
            reviewer: lookup::reviewer(self.reviewer.as_deref()),
            note: self.note.trim().to_owned(),
            failures: self.failure.iter().cloned().collect(),
            scores,
            verdict,
        })
    }
}

fn failure(text: &str) -> Result<Key, String> {
    let table = Failures::embedded();
    let keys = || table.all().iter().map(|failure| failure.key.as_str()).collect::<Vec<_>>().join(", ");
    let key: Key = text.parse().map_err(|error| format!("{error}; choose one of {}", keys()))?;
    table.get(&key).map(|failure| failure.key.clone()).map_err(|error| error.to_string())
}

/// `skin=3`
fn score(text: &str) -> Result<(Key, Score), String> {
    let rubric = Rubric::embedded();
    let keys = || rubric.criteria.iter().map(|criterion| criterion.key.as_str()).collect::<Vec<_>>().join(", ");
    let form = || format!("say it as CRITERION=N, N from 0 (absent) to 4 (as good as it gets), of {}", keys());
    let (key, score) = text.split_once('=').ok_or_else(form)?;
    let key: Key = key.trim().parse().map_err(|error| format!("{error}; choose one of {}", keys()))?;
    let criterion = rubric.get(&key).map_err(|error| error.to_string())?;
    let score = score.trim().parse().ok().and_then(|score| Score::new(score).ok()).ok_or_else(form)?;
    Ok((criterion.key.clone(), score))
}

/// An example and, below it, the failures and criteria there are.
fn with_keys(example: &str) -> String {
    let failures = Failures::embedded().all();
    let width = failures.iter().map(|failure| failure.key.as_str().len()).max().unwrap_or(0);
    let failure = |failure: &Failure| format!("  {:<width$}  {}\n", failure.key.as_str(), failure.name);
    let criterion = |criterion: &Criterion| {
        format!("  {}={}\n      {}\n", criterion.key, criterion.minimum.get(), criterion.question)
    };
    let failures: String = failures.iter().map(failure).collect();
    let criteria: String = Rubric::embedded().criteria.iter().map(criterion).collect();
    format!("{example}\n\nFailures:\n{failures}\nCriteria, with the least that a baseline needs:\n{criteria}")
}
