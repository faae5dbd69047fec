//! `backup` and `verify`: keeping a project whole.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use super::print;
use super::project::{self, ProjectArguments};

/// Copy the whole project into a new folder, while it is in use
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento backup ~/copies/portraits-2026-11")]
pub struct Backup {
    /// The folder for the copy, which is a project of its own; it must be empty, or is made
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Print what was copied as one JSON document
    #[arg(long)]
    json: bool,
}

/// Check the database and every picture against its hash; nothing is changed
#[derive(Args)]
pub struct Verify {
    /// Print what was found as one JSON document
    #[arg(long)]
    json: bool,
}

/// What a check or a copy found wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotWhole(String);

pub fn backup(arguments: &Backup, project: &ProjectArguments) -> anyhow::Result<()> {
    let copied = project::open(project)?.backup(&arguments.folder)?;
    let missing: Vec<String> = copied.missing.iter().map(|hash| hash.to_hex().to_string()).collect();
    if arguments.json {
        print::document(&json!({
            "folder": arguments.folder.to_string_lossy(),
            "files": copied.blobs,
            "bytes": copied.database_bytes + copied.blob_bytes,
            "missing": missing,
        }))?;
    } else {
        let files = print::counted(copied.blobs, "file");
        print::line(&format!("The database and {files} were copied to {}.", arguments.folder.display()))?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    let count = print::counted(missing.len() as u64, "picture");
    Err(NotWhole(format!("{count} could not be copied whole; `pentimento verify` says what needs them")).into())
}

pub fn verify(arguments: &Verify, project: &ProjectArguments) -> anyhow::Result<()> {
    let report = project::open(project)?.verify()?;
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let orphans: Vec<String> = report.orphans.iter().map(|path| path.display().to_string()).collect();
    if arguments.json {
        let size = report.blob_bytes;
        print::document(&json!({"problems": problems, "files": report.blobs, "bytes": size, "orphans": orphans}))?;
    } else {
        problems.iter().try_for_each(|problem| print::line(problem))?;
        let files = print::counted(report.blobs, "file");
        let rest = if orphans.is_empty() { String::new() } else { format!(", {} left over, harmless", orphans.len()) };
        print::line(&format!("Looked at the database and {files}{rest}."))?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    let count = print::counted(problems.len() as u64, "problem");
    Err(NotWhole(format!("the project is not whole: {count} found")).into())
}
