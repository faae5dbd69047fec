//! Which project a command works on, and opening it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::config::{self, Config};
use crate::store::layout::database;
use crate::store::{Reader, Store};
use crate::studio::text::clean;

#[derive(Args, Clone, Debug, Default)]
pub struct ProjectArguments {
    /// The project's folder [default: $PENTIMENTO_PROJECT, else the project you are in, else the one of your own]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath, help_heading = "Project")]
    pub project: Option<PathBuf>,
}

/// There is no project to work on; says where one was looked for, and how to make one.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no project: neither --project nor ${} names one, and there is no project.db in {}, in a folder \
     around it, or in {own}; make one here with `pentimento init`, or elsewhere with `pentimento init DIR`",
    config::PROJECT,
    here.display()
)]
pub struct NoProject {
    here: PathBuf,
    own: String,
}

/// Opens the project for reading and writing. Warnings about where it lies go to stderr.
pub fn open(arguments: &ProjectArguments) -> anyhow::Result<Store> {
    let store = Store::open(&folder(arguments)?)?;
    for warning in store.warnings() {
        note(warning);
    }
    Ok(store)
}

/// Opens the project for reading only: for commands that change nothing, while others write.
pub fn open_read_only(arguments: &ProjectArguments) -> anyhow::Result<Reader> {
    Ok(Reader::open(&folder(arguments)?)?)
}

/// A line on stderr that is no error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {}", clean(text));
}

impl ProjectArguments {
    /// The folder that the flag or the variable names, whether or not it holds a project.
    pub fn named(&self) -> Option<PathBuf> {
        self.project.clone().or_else(|| Config::current().project.as_ref().map(|project| project.value.clone()))
    }
}

/// The folder of the project: the named one, the one around the current folder, or the user's own.
fn folder(arguments: &ProjectArguments) -> anyhow::Result<PathBuf> {
    if let Some(folder) = arguments.named() {
        return Ok(folder);
    }
    let here = std::env::current_dir()?;
    let own = Config::current().folders.own_project();
    let around = here.ancestors().find(|folder| database(folder).is_file()).map(Path::to_owned);
    let found = around.or_else(|| own.clone().filter(|folder| database(folder).is_file()));
    let own = own.map_or("a data folder (HOME is not set)".to_owned(), |folder| folder.display().to_string());
    found.ok_or_else(|| NoProject { here, own }.into())
}
