//! `init`: making a project.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::json;

use super::print;
use super::project::{self, ProjectArguments};
use crate::store::Store;

/// Make a project: one folder with a database and the pictures
///
/// Subjects, their approved references, runs and reviews live in it, for you alone. Commands use the project you are
/// in, or the one that --project or $PENTIMENTO_PROJECT names.
#[derive(Args)]
#[command(
    after_help = "Example:\n  pentimento init portraits && cd portraits\n  pentimento subject add \"Ada Lovelace\""
)]
pub struct Arguments {
    /// The folder, which may exist already [default: the folder you are in]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,

    /// Print what was made as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, named: &ProjectArguments) -> anyhow::Result<()> {
    let folder = arguments.folder.clone().or_else(|| named.named()).unwrap_or_else(|| PathBuf::from("."));
    let store = Store::create(&folder)?;
    let whole = folder.canonicalize().unwrap_or(folder);
    for warning in store.warnings() {
        project::note(warning);
    }
    if let Some(mode) = open_to_others(&whole) {
        let name = whole.display();
        project::note(&format!("others may look into {name} (its mode is {mode:o}); `chmod 700` takes that away"));
    }
    if arguments.json {
        return Ok(print::document(&json!({"project": whole.to_string_lossy()}))?);
    }
    print::line(&format!("A project was made in {}.", whole.display()))?;
    Ok(print::line("Next: pentimento subject add NAME")?)
}

/// The mode of a folder that others than its owner may enter.
fn open_to_others(folder: &Path) -> Option<u32> {
    let mode = fs::metadata(folder).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
