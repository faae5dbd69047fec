//! `verify`: checks a project's database and files.

use clap::Args;
use serde_json::json;

use crate::cli::output::{describe, print};
use crate::cli::project::{self, ProjectArguments};

/// Check the database, and each picture against its hash; change nothing
#[derive(Args)]
pub struct Arguments {
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let report = project::open(project)?.verify()?;
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let orphans: Vec<String> = report.orphans.iter().map(|path| path.display().to_string()).collect();
    if arguments.json {
        let bytes = report.blob_bytes;
        print::document(&json!({"problems": problems, "files": report.blobs, "bytes": bytes, "orphans": orphans}))?;
    } else {
        problems.iter().try_for_each(|problem| print::line(problem))?;
        print::line(&format!("Checked the database and {}.", describe::count(report.blobs, "file")))?;
        if !orphans.is_empty() {
            print::line(&format!("Unused but harmless: {}.", describe::count(orphans.len() as u64, "file")))?;
        }
    }
    anyhow::ensure!(
        problems.is_empty(),
        "the project has {}: see the list above",
        describe::count(problems.len() as u64, "problem")
    );
    Ok(())
}
