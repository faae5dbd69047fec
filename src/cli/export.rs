//! `export`: subjects or runs as one file that another project imports.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use super::failure::Usage;
use super::print;
use super::project::{self, ProjectArguments};
use crate::imaging::read_provenance::strip_prompts;
use crate::store::Error;
use crate::store::Reader;
use crate::store::bundle::archive::Writer;
use crate::store::bundle::rows::Digest;
use crate::store::bundle::{Bundle, Selection};
use crate::studio::subject::{Handle, TaskId};

/// Export subjects or runs as one file, a bundle, which `import` reads on another machine
///
/// With everything that belongs to them: rights, references, runs, pictures, reviews, baselines, presets. Without a
/// subject and without --runs the whole project is exported. A bundle is a zip file; `subject forget` and withdrawals
/// do not reach it, so keep track of whom you give it to.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento export ada --output ada.zip\n  \
                  pentimento export --runs ada-0001 ada-0007 --strip --output two-runs.zip")]
pub struct Arguments {
    /// The short names of subjects
    #[arg(value_name = "SUBJECT")]
    subjects: Vec<Handle>,

    /// Only these runs, with the references they used and the rights to these
    #[arg(long, value_name = "RUN", num_args = 1.., value_delimiter = ',', conflicts_with = "subjects")]
    runs: Vec<TaskId>,

    /// The file to write
    #[arg(long, value_name = "FILE.zip", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Leave prompts out, also of the pictures' own files, and with them all notes; what was generated stays marked so
    #[arg(long)]
    strip: bool,

    /// Replace a file that is there
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
    let mut bundle = reader.bundle(&selection(arguments, &reader)?)?;
    if bundle.subjects.is_empty() && bundle.presets.is_empty() {
        return Err(Usage("there is nothing to export: the project has no subjects yet".to_owned()).into());
    }
    let mut writer = Writer::create(path)?;
    if arguments.strip {
        bundle.strip();
        write_stripped(&reader, &mut bundle, &mut writer)?;
    } else {
        for blob in &bundle.blobs {
            writer.add_blob(&reader.blobs().read(&blob.hash.0)?)?;
        }
    }
    let bytes = writer.finish(&bundle, arguments.force)?;
    tell(arguments, &bundle, bytes)
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

/// Outputs lose the words in their files, and are other files from then on. References have none.
fn write_stripped(reader: &Reader, bundle: &mut Bundle, writer: &mut Writer) -> anyhow::Result<()> {
    let outputs: HashSet<Digest> = bundle.outputs().collect();
    let references: HashSet<Digest> = bundle.references().collect();
    let mut stripped = HashMap::new();
    for blob in &bundle.blobs {
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

fn tell(arguments: &Arguments, bundle: &Bundle, bytes: u64) -> anyhow::Result<()> {
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
    let counts = counts.map(|(count, what)| print::counted(count as u64, what)).join(", ");
    let size = format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let without = if arguments.strip { ", without prompts and notes" } else { "" };
    print::line(&format!("Exported to {} ({size}): {counts}{without}.", arguments.output.display()))?;
    Ok(print::line(
        "It holds pictures of people and what is recorded of their consent; keep track of whom you give it to.",
    )?)
}
