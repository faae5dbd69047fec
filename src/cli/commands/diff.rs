//! `diff`: the differences between two runs.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::{describe, print};
use crate::cli::project::{self, ProjectArguments};
use crate::studio::delta::Delta;
use crate::studio::run::{Run, Timings};
use crate::studio::subject::TaskId;

/// Show the differences between two runs: settings, seeds, model files and measurements
///
/// The runs may be of different subjects and need not be related. In prompts, [-…-] marks removed words and {+…+}
/// added ones.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento diff ada-0003 ada-0007")]
pub struct Arguments {
    /// A run, such as ada-0003
    #[arg(value_name = "RUN")]
    before: TaskId,

    /// The run to compare it with
    #[arg(value_name = "RUN")]
    after: TaskId,

    /// Print the differences as one JSON document
    #[arg(long)]
    json: bool,
}

/// A part of the model whose file differs between the runs.
struct ChangedFile {
    part: &'static str,
    before: blake3::Hash,
    after: blake3::Hash,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let (before, after) = (reader.run(&arguments.before)?, reader.run(&arguments.after)?);
    let delta = reader.diff(before.id, after.id)?;
    let files = changed_files(&before, &after);
    if arguments.json {
        return Ok(print::document(&document(&before, &after, &delta, &files)?)?);
    }
    print_text(&before, &after, &delta, &files)
}

fn document(before: &Run, after: &Run, delta: &Delta, files: &[ChangedFile]) -> anyhow::Result<Value> {
    let files = files.iter().map(|file| {
        let (before, after) = (file.before.to_hex(), file.after.to_hex());
        json!({"file": file.part, "before": before.as_str(), "after": after.as_str()})
    });
    let files: Vec<Value> = files.collect();
    Ok(json!({
        "before": before.task.to_string(),
        "after": after.task.to_string(),
        "same": delta.is_empty() && before.seeds == after.seeds && files.is_empty(),
        "changes": serde_json::to_value(delta)?,
        "seeds": {
            "before": before.seeds.as_slice(),
            "after": after.seeds.as_slice(),
            "only_before": only(before, after),
            "only_after": only(after, before),
        },
        "files": files,
        "measured": {
            "timings": {"before": before.timings, "after": after.timings},
            "peak_memory_bytes": {"before": before.peak_memory, "after": after.peak_memory},
        },
    }))
}

fn print_text(before: &Run, after: &Run, delta: &Delta, files: &[ChangedFile]) -> anyhow::Result<()> {
    print::line(&format!("{} → {}", before.task, after.task))?;
    let changes = delta.changes.iter().map(|change| (change.variable.name(), describe::change_values(change)));
    let mut pairs: Vec<(&str, String)> = changes.collect();
    if before.seeds != after.seeds {
        pairs.push(("seeds", format!("{} → {}", before.seeds, after.seeds)));
    }
    pairs.extend(files.iter().map(|ChangedFile { part, before, after }| {
        let short = |hash: &blake3::Hash| hash.to_hex()[..12].to_owned();
        (*part, format!("different file: BLAKE3 {}… → {}…", short(before), short(after)))
    }));
    if pairs.is_empty() {
        print::line("No differences: prompt, reference, settings, model and seeds are the same.")?;
    }
    print::pairs(&pairs)?;
    let measurements = measurements(before, after);
    if measurements.is_empty() {
        return Ok(());
    }
    print::line("Measurements")?;
    Ok(print::table(&measurements)?)
}

/// The seeds of `run` that `other` lacks.
fn only(run: &Run, other: &Run) -> Vec<u64> {
    run.seeds.as_slice().iter().copied().filter(|seed| !other.seeds.as_slice().contains(seed)).collect()
}

/// Compares hashes, which are known once a run has loaded its files.
fn changed_files(before: &Run, after: &Run) -> Vec<ChangedFile> {
    let (old, new) = (&before.hashes, &after.hashes);
    let files = [
        ("checkpoint", old.checkpoint, new.checkpoint),
        ("adapter", old.adapter, new.adapter),
        ("image encoder", old.image_encoder, new.image_encoder),
    ];
    let changed = |(part, before, after): (&'static str, Option<blake3::Hash>, Option<blake3::Hash>)| {
        let (before, after) = before.zip(after)?;
        (before != after).then_some(ChangedFile { part, before, after })
    };
    files.into_iter().filter_map(changed).collect()
}

/// The seconds of one phase.
type Phase = fn(&Timings) -> f64;

/// A row for each measurement that at least one of the runs has.
fn measurements(before: &Run, after: &Run) -> Vec<Vec<String>> {
    let seconds = |run: &Run, phase: Phase| run.timings.as_ref().map(|timings| format!("{:.2} s", phase(timings)));
    let phases: [(&str, Phase); 5] = [
        ("loading", |timings| timings.load_s),
        ("encoding", |timings| timings.encode_s),
        ("denoising", |timings| timings.denoise_s),
        ("decoding", |timings| timings.decode_s),
        ("other", |timings| timings.other_s),
    ];
    let mut rows: Vec<_> =
        phases.into_iter().map(|(name, phase)| (name, seconds(before, phase), seconds(after, phase))).collect();
    let memory = |run: &Run| run.peak_memory.map(|bytes| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)));
    rows.push(("peak memory", memory(before), memory(after)));
    let unknown = || "unknown".to_owned();
    let row = |(name, before, after): (&str, Option<String>, Option<String>)| {
        let known = before.is_some() || after.is_some();
        known.then(|| {
            vec![format!("  {name}"), format!("{} → {}", before.unwrap_or_else(unknown), after.unwrap_or_else(unknown))]
        })
    };
    rows.into_iter().filter_map(row).collect()
}
