//! `ref`: the reference pictures of a subject.
//!
//! - here: list and show
//! - `add`: add files as candidates
//! - `decide`: approve, reject and retire; `withdraw`: delete permanently

mod add;
mod decide;
mod withdraw;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde_json::json;

use crate::cli::files;
use crate::cli::output::screen::Screen;
use crate::cli::output::{describe, facts, print, tables};
use crate::cli::project::{self, ProjectArguments};
use crate::service::pictures;
use crate::studio::reference::Gate;
use crate::studio::subject::{Handle, ReferenceName};
use jiff::Timestamp;

/// Add, list, show and decide on reference pictures; runs use approved ones only
///
/// A new reference is a candidate under a recorded consent. Check it, then approve or reject it. Retire it when you
/// have a better one. Withdrawing deletes it with every picture made with it.
#[derive(Args)]
#[command(
    after_help = "Example:\n  pentimento ref add ada portrait.jpg --rights consent \\\n      --statement \"signed release, folder 7\"\n  \
                  pentimento ref approve ada-r1 --note \"frontal, soft light\""
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Add(add::Arguments),
    List(List),
    Show(Show),
    Approve(decide::Approve),
    Reject(decide::Reject),
    Retire(decide::Retire),
    Withdraw(withdraw::Arguments),
}

/// List a subject's references
#[derive(Args)]
struct List {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Print the references as one JSON document
    #[arg(long)]
    json: bool,
}

/// Show a reference: its picture and its facts
#[derive(Args)]
struct Show {
    /// The reference, such as ada-r3
    reference: ReferenceName,

    /// Write the stored picture to this file
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Replace an existing file
    #[arg(long, requires = "output")]
    force: bool,

    /// Print the reference as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Add(arguments) => add::run(arguments, project),
        Command::List(arguments) => list(arguments, project),
        Command::Show(arguments) => show(arguments, project),
        Command::Approve(arguments) => decide::approve(arguments, project),
        Command::Reject(arguments) => decide::reject(arguments, project),
        Command::Retire(arguments) => decide::retire(arguments, project),
        Command::Withdraw(arguments) => withdraw::run(arguments, project),
    }
}

fn list(arguments: &List, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let references = reader.references(reader.subject(&arguments.subject)?.id)?;
    if arguments.json {
        let references = references.iter().map(|reference| facts::reference(&reader, reference));
        return Ok(print::document(&json!({"references": references.collect::<Vec<_>>()}))?);
    }
    Ok(tables::references(&references)?)
}

fn show(arguments: &Show, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let reference = reader.reference(&arguments.reference)?;
    if let Some(path) = &arguments.output {
        let picture =
            reference.picture.ok_or_else(|| anyhow::anyhow!("{} has no picture: it is withdrawn", reference.name))?;
        files::write_stored(&reader, &picture.blob, path, arguments.force)?;
    }
    if arguments.json {
        return Ok(print::document(&facts::reference(&reader, &reference))?);
    }
    let screen = Screen::of_stdout();
    if let Some(picture) = reference.picture.filter(|_| screen.shows_pictures()) {
        let picture = pictures::open(&reader, &picture.blob)?;
        screen.pictures(&[&picture], &[reference.name.to_string()])?;
    }
    let consent = reader.consent(reference.consent)?;
    let standing = describe::standing(&consent, Timestamp::now());
    print::line(&format!("{}: {}", reference.name, reference.state))?;
    Ok(print::pairs(&[
        ("label", reference.label.clone()),
        ("size", describe::size(&reference)),
        ("consent", format!("{}, {}: {}", consent.grant.kind(), standing, consent.grant.statement())),
        ("gate", if reference.gate == Gate::Unmeasured { String::new() } else { reference.gate.name().to_owned() }),
        ("overruled", reference.overruled.clone().unwrap_or_default()),
        ("added", describe::minute(reference.added)),
        ("reviewed", reference.reviewed.map_or(String::new(), describe::minute)),
        ("by", reference.reviewer.clone().unwrap_or_default()),
        ("note", reference.note.clone()),
    ])?)
}
