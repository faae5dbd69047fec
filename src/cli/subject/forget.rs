//! `subject forget`: deleting a subject for good, and looking whether it is gone.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::store::Store;
use crate::store::forget::DeletionReport;
use crate::store::verify::Problem;
use crate::studio::subject::Handle;

/// Delete a subject for good, with every picture that only it needed
///
/// Says what went, then looks through the whole project for what might be left. Backups and bundles that you made
/// earlier are yours to delete.
#[derive(Args)]
pub struct Arguments {
    /// The subject's short name, such as ada
    subject: Handle,

    /// Go on without asking
    #[arg(long)]
    yes: bool,

    /// Print what went as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let subject = store.reader()?.subject(&arguments.subject)?;
    let handle = &subject.handle;
    confirm(
        arguments.yes,
        &format!("{} ({handle}) goes for good, with all references, runs and pictures.", subject.name),
    )?;
    let gone = store.forget_subject(subject.id)?;
    prove(&store, &gone)?;
    if arguments.json {
        let mut document = facts::gone(&gone);
        document["subject"] = json!(handle.as_str());
        document["verified"] = json!(true);
        return Ok(print::document(&document)?);
    }
    print::line(&format!("{handle} is forgotten. Gone for good: {}.", what_went(&gone)))?;
    Ok(print::line("Looked through the project: nothing of it is left. Backups made earlier are yours to delete.")?)
}

/// `2 references, 3 runs, …`
pub fn what_went(gone: &DeletionReport) -> String {
    let counts = [
        (gone.references, "reference"),
        (gone.runs, "run"),
        (gone.outputs, "output"),
        (gone.reviews, "review"),
        (gone.blobs.len() as u64, "file"),
    ];
    counts.map(|(count, what)| print::counted(count, what)).join(", ")
}

/// That no file is left, and that the project is whole without what went.
fn prove(store: &Store, gone: &DeletionReport) -> anyhow::Result<()> {
    if let Some(left) = gone.blobs.iter().map(|hash| store.blobs().path(hash)).find(|path| path.exists()) {
        anyhow::bail!("the rows are deleted, but a file is left: {}; delete it yourself", left.display());
    }
    // Who may read the folder is another matter.
    let mut problems = store.verify()?.problems;
    problems.retain(|problem| !matches!(problem, Problem::Permissions { .. }));
    if let Some(problem) = problems.first() {
        anyhow::bail!(
            "it is deleted, but the project has {}: {problem}",
            print::counted(problems.len() as u64, "problem")
        );
    }
    Ok(())
}
