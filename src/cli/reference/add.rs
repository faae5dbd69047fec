//! `ref add`: from a stranger's file to a candidate under a recorded right.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use image::RgbImage;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::failure::Usage;
use crate::cli::lookup::now;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::imaging;
use crate::store::blobs::Content;
use crate::store::references::NewReference;
use crate::studio::consent::{Grant, Right};
use crate::studio::reference::Gate;
use crate::studio::subject::Handle;

/// Add pictures as candidates, under a right that is recorded with them
///
/// The picture is kept upright and in sRGB; camera data and place (EXIF, GPS) are dropped. Without --rights the
/// subject's newest right in force is used.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento ref add ada front.jpg --rights consent \\\n      \
                  --statement \"mail of 3 May\" --expires 2028-01-01")]
pub struct Arguments {
    /// The subject's short name, such as ada
    subject: Handle,

    /// PNG, JPEG or WebP
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// On what ground they may be used: own, consent, licence, public-domain or synthetic
    #[arg(long, value_name = "KIND", requires = "statement")]
    rights: Option<Right>,

    /// Who allowed what, and where that is written down
    #[arg(long, value_name = "TEXT", requires = "rights")]
    statement: Option<String>,

    /// The first day on which the right holds no longer, such as 2028-01-01
    #[arg(long, value_name = "DATE", value_parser = day, requires = "rights")]
    expires: Option<Timestamp>,

    /// What to call the picture [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,

    /// Print what was added as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let subject = reader.subject(&arguments.subject)?;
    let grant = arguments.grant()?;
    // All pictures are opened before anything is recorded: one that cannot be read leaves no half-done step.
    let candidate = |file: &PathBuf| candidate(file, arguments.label.as_deref());
    let candidates = arguments.files.iter().map(candidate).collect::<anyhow::Result<Vec<_>>>()?;

    let right = grant.map(|grant| store.add_consent(subject.id, &grant)).transpose()?;
    let mut added = Vec::with_capacity(candidates.len());
    for new in candidates {
        let id = store.add_reference(subject.id, &NewReference { consent: right, ..new }, now())?;
        added.push(reader.reference_by_id(id)?);
    }

    if arguments.json {
        let added = added.iter().map(|reference| facts::reference(&reader, reference));
        return Ok(print::document(&json!({"added": added.collect::<Vec<_>>()}))?);
    }
    for reference in &added {
        print::line(&format!("{} was added as a candidate: {}", reference.name, reference.label))?;
    }
    let names: Vec<String> = added.iter().map(|reference| reference.name.to_string()).collect();
    Ok(print::line(&format!("Next: look at it, then pentimento ref approve {}", names.join(" ")))?)
}

impl Arguments {
    fn grant(&self) -> Result<Option<Grant>, Usage> {
        let Some((kind, statement)) = self.rights.zip(self.statement.as_deref()) else { return Ok(None) };
        Grant::new(kind, statement, now(), self.expires).map(Some).map_err(|error| Usage(error.to_string()))
    }
}

/// A picture file as it is stored: without anything but its pixels.
pub fn candidate(file: &Path, label: Option<&str>) -> anyhow::Result<NewReference> {
    candidate_of(&imaging::open_picture(file)?.picture, file, label)
}

pub fn candidate_of(picture: &RgbImage, file: &Path, label: Option<&str>) -> anyhow::Result<NewReference> {
    let png = |picture| {
        imaging::plain_png(picture)
            .map(|bytes| Content { bytes, media_type: "image/png" })
            .map_err(|error| anyhow::anyhow!("the picture {} cannot be stored: {error}", file.display()))
    };
    let name = || file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(NewReference {
        consent: None,
        thumbnail: Some(png(&imaging::thumbnail(picture))?),
        width: picture.width(),
        height: picture.height(),
        picture: png(picture)?,
        label: label.map_or_else(name, str::to_owned),
        gate: Gate::Unmeasured,
        report: None,
    })
}

fn day(text: &str) -> Result<Timestamp, String> {
    let sentence = || "it is not a day; write it as 2028-01-01".to_owned();
    let day: Date = text.parse().map_err(|_| sentence())?;
    day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()).map_err(|_| sentence())
}
