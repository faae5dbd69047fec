//! `ref add`: adds picture files as candidates.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::args::values;
use crate::cli::failure::UsageError;
use crate::cli::output::{facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::references;
use crate::studio::consent::{ConsentKind, Grant};
use crate::studio::subject::Handle;

/// Add pictures as candidates, and record why you may use them
///
/// Pictures are stored upright and in sRGB, without camera data (EXIF, GPS). Without --rights, they use the subject's
/// newest valid consent.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento ref add ada front.jpg --rights consent \\\n      \
                  --statement \"mail of 3 May\" --expires 2028-01-01")]
pub struct Arguments {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Picture files: PNG, JPEG or WebP
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// Why you may use them: own, consent, licence, public-domain or synthetic
    #[arg(long, value_name = "KIND", requires = "statement")]
    rights: Option<ConsentKind>,

    /// Who agreed, to what, and where it is recorded
    #[arg(long, value_name = "TEXT", requires = "rights")]
    statement: Option<String>,

    /// The day on which the consent expires, such as 2028-01-01
    #[arg(long, value_name = "DATE", value_parser = values::day, requires = "rights")]
    expires: Option<Timestamp>,

    /// A label for the pictures [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,

    /// Print the references as one JSON document
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
        print::line(&format!("Added the candidate {}: {}.", reference.name, reference.label))?;
    }
    let names: Vec<String> = added.iter().map(|reference| reference.name.to_string()).collect();
    Ok(print::line(&format!("Next: check the picture, then pentimento ref approve {}", names.join(" ")))?)
}

impl Arguments {
    fn grant(&self) -> Result<Option<Grant>, UsageError> {
        let Some((kind, statement)) = self.rights.zip(self.statement.as_deref()) else { return Ok(None) };
        let granted = Timestamp::now();
        Grant::new(kind, statement, granted, self.expires).map(Some).map_err(|error| UsageError(error.to_string()))
    }
}
