//! `show`: one run with its pictures, or one picture.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use crate::cli::failure::UsageError;
use crate::cli::files;
use crate::cli::output::screen::Screen;
use crate::cli::output::{describe, facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::{self, pictures, reviews};
use crate::store::Reader;
use crate::studio::output::Output;
use crate::studio::prompt::Block;
use crate::studio::review::{Judgement, Key, Review, Verdict};
use crate::studio::run::Run;
use crate::studio::settings::table::MODEL_DEFAULT;
use crate::studio::subject::{BadName, OutputName, TaskId};

/// Show a run with its settings, pictures and reviews, or one of its pictures
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento show ada-0042\n  pentimento show ada-0042:7 --output violinist.png")]
pub struct Arguments {
    /// A run, such as ada-0042, or one of its pictures by its seed, such as ada-0042:7
    name: Name,

    /// Write the picture to this file; NAME must be one picture, or a run with only one
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Replace an existing file
    #[arg(long, requires = "output")]
    force: bool,

    /// Print the run as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone)]
enum Name {
    Run(TaskId),
    Output(OutputName),
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') { text.parse().map(Self::Output) } else { text.parse().map(Self::Run) }
    }
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let (run, outputs) = match &arguments.name {
        Name::Run(task) => {
            let run = reader.run(task)?;
            let outputs = reader.outputs(run.id)?;
            (run, outputs)
        }
        Name::Output(name) => {
            let (run, output) = reviews::output(&reader, name)?;
            (run, vec![output])
        }
    };
    if let Some(path) = &arguments.output {
        let [output] = outputs.as_slice() else {
            let (task, count) = (&run.task, outputs.len());
            let text = format!("--output writes one picture, and {task} has {count}: name one, such as {task}:SEED");
            return Err(UsageError(text).into());
        };
        files::write_stored(&reader, &output.picture.blob, path, arguments.force)?;
    }
    if arguments.json {
        let mut document = facts::run(&reader, &run)?;
        let outputs = outputs.iter().map(|output| facts::output(&reader, &run, output));
        document["outputs"] = json!(outputs.collect::<anyhow::Result<Vec<Value>>>()?);
        return Ok(print::document(&document)?);
    }
    print_text(&reader, &run, &outputs)
}

fn print_text(reader: &Reader, run: &Run, outputs: &[Output]) -> anyhow::Result<()> {
    let recipe = &run.recipe;
    let reference = recipe.reference.map(|reference| reader.reference_by_id(reference)).transpose()?;
    let parent = run.parent.map(|parent| reader.run_by_id(parent)).transpose()?;
    print::line(&format!("{}: {}", run.task, run.state))?;
    let mut pairs: Vec<(&str, String)> =
        Block::ALL.into_iter().map(|block| (block.name(), recipe.prompt.block(block).to_owned())).collect();
    pairs.extend([
        ("negative", recipe.prompt.negative().to_owned()),
        ("reference", reference.map_or("none".to_owned(), |reference| reference.name.to_string())),
    ]);
    pairs.extend(recipe.settings.summary().map(|(setting, value)| match (setting.key, outputs) {
        // The pictures tell the size that the checkpoint decided.
        ("size", [Output { picture, .. }, ..]) if value == MODEL_DEFAULT => {
            (setting.key, format!("{value}, {}×{}", picture.width, picture.height))
        }
        (key, _) => (key, value),
    }));
    pairs.extend([
        ("model", recipe.model.checkpoint.clone()),
        ("parent", parent.map(|parent| parent.task.to_string()).unwrap_or_default()),
        ("changed", run.delta.as_ref().map(describe::delta).unwrap_or_default()),
        ("debugging", run.debug_reason.clone().unwrap_or_default()),
        ("diagnosis", run.diagnosis.clone()),
        ("error", run.error.clone().unwrap_or_default()),
        ("created", describe::minute(run.created)),
    ]);
    print::pairs(&pairs)?;
    let opened = outputs.iter().map(|output| pictures::open(reader, &output.picture.blob));
    let opened = opened.collect::<service::Result<Vec<_>>>()?;
    let baseline = reviews::baseline(reader, run.subject)?;
    let caption = |output: &Output| {
        let name = OutputName { task: run.task.clone(), seed: output.seed };
        let baseline = if baseline.as_ref() == Some(&name) { ", baseline" } else { "" };
        format!("{name}, {}{baseline}", describe::verdict(output.verdict))
    };
    let captions: Vec<String> = outputs.iter().map(caption).collect();
    Screen::of_stdout().pictures(&opened.iter().collect::<Vec<_>>(), &captions)?;
    print_reviews(reader, run, outputs)
}

/// Prints every review, oldest first. If several reviews gave scores, the current scores follow.
fn print_reviews(reader: &Reader, run: &Run, outputs: &[Output]) -> anyhow::Result<()> {
    for output in outputs {
        let reviews = reader.reviews(output.id)?;
        if reviews.is_empty() {
            continue;
        }
        print::line(&format!("Reviews of {}:{}", run.task, output.seed))?;
        let mut rows: Vec<Vec<String>> = reviews.iter().map(row).collect();
        if reviews.iter().filter(|review| !review.judgement.scores.is_empty()).count() > 1 {
            let scores = reader.scores(output.id)?;
            rows.push(vec!["  scores".to_owned(), String::new(), describe::scores(&scores)]);
        }
        print::table(&rows)?;
    }
    Ok(())
}

fn row(review: &Review) -> Vec<String> {
    let Judgement { reviewer, note, failures, scores, verdict } = &review.judgement;
    let verdict = if *verdict == Verdict::Open { "" } else { describe::verdict(*verdict) };
    let failures = failures.iter().map(Key::as_str).collect::<Vec<_>>().join(", ");
    let parts = [verdict.to_owned(), failures, describe::scores(scores), note.clone()];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    vec![format!("  {}", describe::minute(review.at)), reviewer.clone(), text]
}
