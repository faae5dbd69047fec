//! `export`: writes subjects or runs into one file that another project imports.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use crate::cli::failure::UsageError;
use crate::cli::interrupt;
use crate::cli::output::{describe, print};
use crate::cli::project::{self, ProjectArguments};
use crate::imaging::read_provenance::strip_prompts;
use crate::store::Error;
use crate::store::Reader;
use crate::store::bundle::archive::Writer;
use crate::store::bundle::rows::Digest;
use crate::store::bundle::{Bundle, Selection};
use crate::studio::subject::{Handle, TaskId};

/// How often an export starts again because the project deleted something meanwhile.
const TRIES: u32 = 20;

/// Export subjects or runs into a bundle, one file that `import` reads on another machine
///
/// A bundle holds everything that belongs to them: consents, references, runs, pictures, reviews, baselines and
/// presets. Without a subject or --runs, the whole project is exported. Forgetting a subject or withdrawing consent
/// does not change bundles: keep track of who has them.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento export ada --output ada.zip\n  \
                  pentimento export --runs ada-0001 ada-0007 --strip --output two-runs.zip")]
pub struct Arguments {
    /// The subjects, by handle
    #[arg(value_name = "SUBJECT")]
    subjects: Vec<Handle>,

    /// Export only these runs, with their references and consents
    #[arg(long, value_name = "RUN", num_args = 1.., value_delimiter = ',', conflicts_with = "subjects")]
    runs: Vec<TaskId>,

    /// The file to write
    #[arg(long, value_name = "FILE.zip", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Leave out prompts and notes, also in the picture files; pictures stay marked as generated
    #[arg(long)]
    strip: bool,

    /// Replace an existing file
    #[arg(long)]
    force: bool,

    /// Print what was exported as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let path = &arguments.output;
    if !arguments.force && path.is_file() {
        return Err(Error::FileExists { path: path.clone() }.into());
    }
    let reader = project::open_read_only(project)?;
    interrupt::listen();
    for _ in 0..TRIES {
        let deletions = reader.deletions()?;
        let mut bundle = reader.bundle(&selection(arguments, &reader)?)?;
        if bundle.subjects.is_empty() && bundle.presets.is_empty() {
            return Err(UsageError("nothing to export: the project has no subjects".to_owned()).into());
        }
        let mut writer = Writer::create(path)?;
        let written = write_blobs(arguments, &reader, &mut bundle, &mut writer);
        // What was deleted meanwhile must not be in the bundle.
        if reader.deletions()? == deletions {
            written?;
            let bytes = writer.finish(&bundle, arguments.force)?;
            return report(arguments, &bundle, bytes);
        }
    }
    anyhow::bail!("the project was changed too often during the export: try again")
}

fn write_blobs(arguments: &Arguments, reader: &Reader, bundle: &mut Bundle, writer: &mut Writer) -> anyhow::Result<()> {
    if arguments.strip {
        bundle.strip();
        return write_stripped(reader, bundle, writer);
    }
    for blob in &bundle.blobs {
        interrupt::check()?;
        writer.add_blob(&reader.blobs().read(&blob.hash.0)?)?;
    }
    Ok(())
}

fn selection(arguments: &Arguments, reader: &Reader) -> anyhow::Result<Selection> {
    if !arguments.runs.is_empty() {
        let runs = arguments.runs.iter().map(|task| Ok(reader.run(task)?.id));
        return Ok(Selection::Runs(runs.collect::<anyhow::Result<_>>()?));
    }
    if arguments.subjects.is_empty() {
        return Ok(Selection::Everything);
    }
    let subjects = arguments.subjects.iter().map(|handle| Ok(reader.subject(handle)?.id));
    Ok(Selection::Subjects(subjects.collect::<anyhow::Result<_>>()?))
}

/// Removes the prompts from the files of outputs, which get new hashes. Files of references hold no text.
fn write_stripped(reader: &Reader, bundle: &mut Bundle, writer: &mut Writer) -> anyhow::Result<()> {
    let outputs: HashSet<Digest> = bundle.outputs().collect();
    let references: HashSet<Digest> = bundle.references().collect();
    let mut stripped = HashMap::new();
    for blob in &bundle.blobs {
        interrupt::check()?;
        let bytes = reader.blobs().read(&blob.hash.0)?;
        if outputs.contains(&blob.hash) {
            let without = strip_prompts(&reader.blobs().path(&blob.hash.0), &bytes)?;
            stripped.insert(blob.hash, writer.add_blob(&without)?);
        }
        if references.contains(&blob.hash) {
            writer.add_blob(&bytes)?;
        }
    }
    bundle.replace_outputs(&stripped);
    Ok(())
}

fn report(arguments: &Arguments, bundle: &Bundle, bytes: u64) -> anyhow::Result<()> {
    let rows = &bundle.subjects;
    let (references, runs): (usize, usize) =
        (rows.iter().map(|row| row.references.len()).sum(), rows.iter().map(|row| row.runs.len()).sum());
    let outputs: usize = rows.iter().flat_map(|row| &row.runs).map(|run| run.outputs.len()).sum();
    if arguments.json {
        return Ok(print::document(&json!({
            "file": arguments.output.to_string_lossy(),
            "bytes": bytes,
            "stripped": arguments.strip,
            "subjects": rows.iter().map(|row| row.handle.as_str()).collect::<Vec<_>>(),
            "references": references,
            "runs": runs,
            "outputs": outputs,
            "presets": bundle.presets.len(),
        }))?);
    }
    let counts = [(rows.len(), "subject"), (references, "reference"), (runs, "run"), (outputs, "picture")];
    let counts = counts.map(|(count, what)| describe::count(count as u64, what)).join(", ");
    let without = if arguments.strip { ", without prompts and notes" } else { "" };
    let (path, size) = (arguments.output.display(), describe::mebibytes(bytes));
    print::line(&format!("Exported {counts}{without} to {path} ({size})."))?;
    Ok(print::line("It holds pictures of people and their consents: keep track of who has it.")?)
}
