//! Finds and opens the project that a command works on.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::output::print;
use crate::config::{self, Config};
use crate::store::layout::database;
use crate::store::{Reader, Store};

#[derive(Args, Clone, Debug, Default)]
pub struct ProjectArguments {
    /// The project's folder [default: $PENTIMENTO_PROJECT, else the project you are in, else your own project]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath, help_heading = "Project")]
    pub project: Option<PathBuf>,
}

/// No project was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "no project in {}, its parent folders or {own}: create one with `pentimento init`, or name one with --project or \
     ${}",
    here.display(),
    config::PROJECT
)]
pub struct NoProject {
    here: PathBuf,
    /// The user's own project.
    own: String,
}

/// Opens the project for reading and writing, and prints warnings about its folder.
pub fn open(arguments: &ProjectArguments) -> anyhow::Result<Store> {
    let store = Store::open(&folder(arguments)?)?;
    for warning in store.warnings() {
        print::note(warning);
    }
    Ok(store)
}

/// Opens the project for reading only, while others may write.
pub fn open_read_only(arguments: &ProjectArguments) -> anyhow::Result<Reader> {
    Ok(Reader::open(&folder(arguments)?)?)
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
