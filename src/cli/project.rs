//! Which project a command works on, and opening it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::store::layout::database;
use crate::store::{Reader, Store};
use crate::studio::text::clean;

/// The variable that names a project's folder.
pub const VARIABLE: &str = "PENTIMENTO_PROJECT";

#[derive(Args, Clone, Debug, Default)]
pub struct ProjectArguments {
    /// The project's folder [default: $PENTIMENTO_PROJECT, else the project you are in, else the one of your own]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath, help_heading = "Project")]
    project: Option<PathBuf>,
}

/// There is no project to work on; says where one was looked for, and how to make one.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no project: neither --project nor ${VARIABLE} names one, and there is no project.db in {}, in a folder \
     around it, or in {own}; make one here with `pentimento init`, or elsewhere with `pentimento init DIR`",
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
    /// The folder that is named outright, by the flag or by the variable. It is taken at its word.
    pub fn named(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        self.project.clone().or_else(variable)
    }
}

/// The folder that is meant.
fn folder(arguments: &ProjectArguments) -> anyhow::Result<PathBuf> {
    if let Some(folder) = arguments.named() {
        return Ok(folder);
    }
    let here = std::env::current_dir()?;
    let own = own();
    let around = here.ancestors().find(|folder| database(folder).is_file()).map(Path::to_owned);
    let found = around.or_else(|| own.clone().filter(|folder| database(folder).is_file()));
    let own = own.map_or("a data folder (HOME is not set)".to_owned(), |folder| folder.display().to_string());
    found.ok_or_else(|| NoProject { here, own }.into())
}

/// The project that is used where no other is meant, in the user's data folder.
pub fn own() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "pentimento").map(|folders| folders.data_dir().join("project"))
}

/// Where the user's own keymap and themes are.
pub fn config_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "pentimento").map(|folders| folders.config_dir().to_owned())
}
