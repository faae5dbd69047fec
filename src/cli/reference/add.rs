//! `ref add`: from a stranger's file to a candidate under a recorded right.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::failure::Usage;
use crate::cli::lookup::now;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::service::references;
use crate::studio::consent::{ConsentKind, Grant};
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
    rights: Option<ConsentKind>,

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
    let (label, grant) = (arguments.label.as_deref(), grant.as_ref());
    let added = references::add(&store, subject.id, &arguments.files, label, grant)?;

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

fn day(text: &str) -> Result<Timestamp, String> {
    let sentence = || "it is not a day; write it as 2028-01-01".to_owned();
    let day: Date = text.parse().map_err(|_| sentence())?;
    day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()).map_err(|_| sentence())
}
