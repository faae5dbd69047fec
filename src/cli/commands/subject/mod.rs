//! `subject`: the people and things that portraits are made of.
//!
//! - here: add, list and rename
//! - `show`: everything about one subject
//! - `consents`: list and withdraw the consents for a subject's pictures
//! - `forget`: delete a subject permanently

mod consents;
mod forget;
mod show;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::failure::UsageError;
use crate::cli::output::{describe, facts, print};
use crate::cli::project::{self, ProjectArguments};
use crate::service::subjects;
use crate::studio::reference::ReferenceState;
use crate::studio::subject::{Handle, Subject};
use crate::studio::text::clean;

/// Add, list, show, rename and forget subjects, and withdraw their consents
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento subject add \"Ada Lovelace\"\n  pentimento subject show ada-lovelace")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Add(Add),
    List(List),
    Show(show::Arguments),
    Rename(Rename),
    Rights(consents::List),
    WithdrawConsent(consents::Withdraw),
    Forget(forget::Arguments),
}

/// Add a subject; the names of its runs start with its handle
#[derive(Args)]
struct Add {
    /// The subject's name
    name: String,

    /// A short name for commands, which cannot change [default: made from the name]
    #[arg(long, value_name = "HANDLE")]
    handle: Option<Handle>,

    /// A note
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,

    /// Print the subject as one JSON document
    #[arg(long)]
    json: bool,
}

/// List all subjects
#[derive(Args)]
struct List {
    /// Print them as one JSON document
    #[arg(long)]
    json: bool,
}

/// Change a subject's name; the handle stays, because the names of runs contain it
#[derive(Args)]
struct Rename {
    /// The subject's handle, such as ada
    subject: Handle,

    /// The new name
    name: String,

    /// Print the subject as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Add(arguments) => add(arguments, project),
        Command::List(arguments) => list(arguments, project),
        Command::Show(arguments) => show::run(arguments, project),
        Command::Rename(arguments) => rename(arguments, project),
        Command::Rights(arguments) => consents::list(arguments, project),
        Command::WithdrawConsent(arguments) => consents::withdraw(arguments, project),
        Command::Forget(arguments) => forget::run(arguments, project),
    }
}

fn add(arguments: &Add, project: &ProjectArguments) -> anyhow::Result<()> {
    let handle = match &arguments.handle {
        Some(handle) => handle.clone(),
        None => Handle::suggest(&clean(&arguments.name)).ok_or_else(|| {
            let name = &arguments.name;
            UsageError(format!("no handle can be made from {name:?}: choose one with --handle, such as --handle ada"))
        })?,
    };
    let store = project::open(project)?;
    let subject = subjects::add(&store, &handle, &arguments.name, &arguments.note)?;
    if arguments.json {
        return Ok(print::document(&facts::subject(&subject))?);
    }
    print::line(&format!("Added {} with the handle {handle}.", subject.name))?;
    Ok(print::line(&format!("Next: pentimento ref add {handle} FILE --rights KIND --statement TEXT"))?)
}

fn list(arguments: &List, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let (mut documents, mut rows) = (Vec::new(), Vec::new());
    for subject in reader.subjects()? {
        let references = reader.references(subject.id)?;
        let approved = references.iter().filter(|reference| reference.state == ReferenceState::Approved).count();
        let newest = reader.runs(subject.id, None, 1)?.pop().map(|line| line.run.task.to_string());
        let mut row = vec![subject.handle.to_string(), subject.name.clone()];
        row.push(describe::count(approved as u64, "approved reference"));
        row.push(newest.as_ref().map_or("no runs".to_owned(), |task| format!("newest run {task}")));
        rows.push(row);
        documents.push(document(&subject, references.len(), approved, newest));
    }
    if arguments.json {
        return Ok(print::document(&json!({"subjects": documents}))?);
    }
    if rows.is_empty() {
        return Ok(print::line("No subjects yet. Next: pentimento subject add NAME")?);
    }
    Ok(print::table(&rows)?)
}

fn document(subject: &Subject, references: usize, approved: usize, newest: Option<String>) -> Value {
    let mut document = facts::subject(subject);
    document["references"] = json!(references);
    document["approved_references"] = json!(approved);
    document["newest_run"] = json!(newest);
    document
}

fn rename(arguments: &Rename, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let subject = subjects::rename(&store, reader.subject(&arguments.subject)?.id, &arguments.name)?;
    if arguments.json {
        return Ok(print::document(&facts::subject(&subject))?);
    }
    Ok(print::line(&format!("Renamed {} to {}.", subject.handle, subject.name))?)
}
