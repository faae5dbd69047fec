//! `ref`: the reference pictures of a subject.
//!
//! - here: listing and showing
//! - `add`: from a file to a candidate
//! - `decide`: approving, rejecting, retiring; `withdraw`: deleting for good

mod add;
mod decide;
mod withdraw;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde_json::json;

use super::project::{self, ProjectArguments};
use super::screen::Screen;
use super::{facts, pictures, print};
use crate::service::pictures as stored;
use crate::studio::reference::{Gate, Reference};
use crate::studio::subject::{Handle, ReferenceName};

/// Add, list, show and review reference pictures; runs use approved ones only
///
/// A reference begins as a candidate under a recorded right. A person looks at it and approves or rejects it; an
/// approved one can be retired when a better one comes. Withdrawing deletes it, with every picture it made.
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

/// List a subject's references with their state
#[derive(Args)]
struct List {
    /// The subject's short name, such as ada
    subject: Handle,

    /// Print them as one JSON document
    #[arg(long)]
    json: bool,
}

/// Show a reference: the picture in the terminal, and what is known of it
#[derive(Args)]
struct Show {
    /// The reference, such as ada-r3
    reference: ReferenceName,

    /// Write the stored picture to a file
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Print what is known as one JSON document
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
    tell(&references)
}

pub fn tell(references: &[Reference]) -> anyhow::Result<()> {
    if references.is_empty() {
        return Ok(print::line("  none yet: pentimento ref add SUBJECT PICTURE --rights KIND --statement TEXT")?);
    }
    let row = |reference: &Reference| {
        let size = reference.picture.map_or(String::new(), |picture| format!("{}×{}", picture.width, picture.height));
        let words = [&reference.label, &reference.note].into_iter().filter(|words| !words.is_empty());
        let words = words.cloned().collect::<Vec<_>>().join(": ");
        vec![format!("  {}", reference.name), reference.state.to_string(), size, words]
    };
    Ok(print::table(&references.iter().map(row).collect::<Vec<_>>())?)
}

fn show(arguments: &Show, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let reference = reader.reference(&arguments.reference)?;
    if let Some(path) = &arguments.output {
        let picture = reference.picture.ok_or_else(|| anyhow::anyhow!("{} has no picture any more", reference.name))?;
        pictures::write(&reader, &picture.blob, path)?;
    }
    if arguments.json {
        return Ok(print::document(&facts::reference(&reader, &reference))?);
    }
    let screen = Screen::of_stdout();
    if let Some(picture) = reference.picture.filter(|_| screen.shows_pictures()) {
        let picture = stored::open(&reader, &picture.blob)?;
        screen.pictures(&[&picture], &[reference.name.to_string()])?;
    }
    let right = reader.consent(reference.consent)?;
    print::line(&format!("{}: {}", reference.name, reference.state))?;
    Ok(print::pairs(&[
        ("label", reference.label.clone()),
        ("size", reference.picture.map_or(String::new(), |picture| format!("{}×{}", picture.width, picture.height))),
        ("right", format!("{}, {}: {}", right.grant.kind(), standing(&right), right.grant.statement())),
        ("gate", if reference.gate == Gate::Unmeasured { String::new() } else { reference.gate.name().to_owned() }),
        ("overruled", reference.overruled.clone().unwrap_or_default()),
        ("added", print::minute(reference.added)),
        ("reviewed", reference.reviewed.map_or(String::new(), print::minute)),
        ("by", reference.reviewer.clone().unwrap_or_default()),
        ("note", reference.note.clone()),
    ])?)
}

fn standing(right: &crate::studio::consent::Consent) -> &'static str {
    match facts::standing(right.status(super::lookup::now())) {
        "in-force" => "in force",
        "not-yet" => "not in force yet",
        other => other,
    }
}
