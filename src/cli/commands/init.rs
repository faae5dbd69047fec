//! `init`: creates a project.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::json;

use crate::cli::output::print;
use crate::cli::project::ProjectArguments;
use crate::store::Store;

/// Create a project: one folder with a database and the pictures
///
/// The project holds subjects, references, runs and reviews. Commands use the project that --project or
/// $PENTIMENTO_PROJECT names, else the one you are in.
#[derive(Args)]
#[command(
    after_help = "Example:\n  pentimento init portraits && cd portraits\n  pentimento subject add \"Ada Lovelace\""
)]
pub struct Arguments {
    /// The project's folder, new or existing [default: the current folder]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,

    /// Print the project as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let folder = arguments.folder.clone().or_else(|| project.named()).unwrap_or_else(|| PathBuf::from("."));
    let store = Store::create(&folder)?;
    let folder = folder.canonicalize().unwrap_or(folder);
    for warning in store.warnings() {
        print::note(warning);
    }
    if let Some(mode) = open_to_others(&folder) {
        let name = folder.display();
        print::note(&format!("other users may read {name} (mode {mode:o}); `chmod 700 {name}` prevents that"));
    }
    if arguments.json {
        return Ok(print::document(&json!({"project": folder.to_string_lossy()}))?);
    }
    print::line(&format!("Created a project in {}.", folder.display()))?;
    Ok(print::line("Next: pentimento subject add NAME")?)
}

/// The mode of a folder, if users other than its owner may enter it.
fn open_to_others(folder: &Path) -> Option<u32> {
    let mode = fs::metadata(folder).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
