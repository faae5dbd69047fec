//! `backup`: copies a project while it is in use.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use crate::cli::interrupt;
use crate::cli::output::{describe, print};
use crate::cli::project::{self, ProjectArguments};

/// Copy the whole project into a new folder, even while it is in use
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento backup ~/copies/portraits-2026-11")]
pub struct Arguments {
    /// An empty or new folder; the copy is a complete project
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Print what was copied as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    interrupt::listen();
    let copied = store.backup(&arguments.folder, &interrupt::asked)?;
    let missing: Vec<String> = copied.missing.iter().map(|hash| hash.to_hex().to_string()).collect();
    if arguments.json {
        print::document(&json!({
            "folder": arguments.folder.to_string_lossy(),
            "files": copied.blobs,
            "bytes": copied.database_bytes + copied.blob_bytes,
            "missing": missing,
        }))?;
    } else {
        let files = describe::count(copied.blobs, "file");
        print::line(&format!("Copied the database and {files} to {}.", arguments.folder.display()))?;
    }
    anyhow::ensure!(
        missing.is_empty(),
        "the backup lacks {} because of missing or damaged files: run `pentimento verify`",
        describe::count(missing.len() as u64, "picture")
    );
    Ok(())
}
