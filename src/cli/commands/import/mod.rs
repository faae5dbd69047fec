//! `import`: imports bundles and pictures into the project.
//!
//! - `open`: opens and checks the files; `report`: what changed, as text and JSON

mod open;
mod report;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::failure::UsageError;
use crate::cli::interrupt;
use crate::cli::output::print;
use crate::cli::project::{self, ProjectArguments};
use crate::store::bundle::Parcel;
use crate::studio::subject::Handle;

use open::{Opened, Opener};
use report::{FileReport, Source};

/// Import bundles, and pictures that record how they were generated
///
/// A bundle comes from `export`. A picture is a PNG, JPEG or WebP of this program or of another one, such as
/// AUTOMATIC1111's web UI, ComfyUI, SwarmUI, InvokeAI or Fooocus; it becomes a run with one seed. What the run does not
/// have is listed. Either all files are imported or none. Existing data does not change,
/// and conflicting names are renamed. Withdrawn consents stay withdrawn, and rejected references stay rejected.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento import ada.zip\n  pentimento import violinist.png --subject ada")]
pub struct Arguments {
    /// Bundles and images
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// The subject of the pictures [default: the one that the picture records]
    #[arg(long, value_name = "HANDLE")]
    subject: Option<Handle>,

    /// Print what was imported as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let mut opener = Opener::new(&reader, arguments.subject.as_ref());
    let opened = arguments.files.iter().map(|path| opener.open(path)).collect::<anyhow::Result<Vec<_>>>()?;
    if arguments.subject.is_some() && opened.iter().all(|file| matches!(file, Opened::Bundle(_))) {
        return Err(UsageError("--subject is for pictures: a bundle records its subjects".into()).into());
    }
    let (mut parcels, mut sources) = (Vec::new(), Vec::new());
    for file in opened {
        sources.push(match file {
            Opened::Bundle(parcel) => {
                parcels.push(stoppable(parcel));
                Source::Bundle
            }
            Opened::Picture { parcel, account, reference_missing } => {
                parcels.push(parcel);
                Source::Picture { account, reference_missing }
            }
            Opened::Known(output) => Source::Known(output),
        });
    }
    interrupt::listen();
    // A picture that the project already has is not imported, so it has no report.
    let mut reports = store.import(&parcels, Timestamp::now())?.into_iter();
    let files = arguments.files.iter().zip(sources).map(|(path, source)| {
        let report = match source {
            Source::Known(_) => None,
            _ => reports.next(),
        };
        FileReport { path, source, report: report.unwrap_or_default() }
    });
    if arguments.json {
        let files: Vec<_> = files.map(|file| file.document()).collect();
        return Ok(print::document(&json!({"files": files}))?);
    }
    Ok(print::lines(files.flat_map(|file| file.lines()))?)
}

/// A bundle whose blobs cannot be read any more after a signal: the import then fails, and deletes what it has written.
fn stoppable(parcel: Parcel) -> Parcel {
    let Parcel { path, bundle, blobs } = parcel;
    let blobs = Box::new(move |hash: &blake3::Hash| {
        interrupt::check()?;
        blobs(hash)
    });
    Parcel { path, bundle, blobs }
}
