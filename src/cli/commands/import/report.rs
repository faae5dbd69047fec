//! What an import changed, as text and as JSON.

use std::fmt::Display;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::output::describe;
use crate::store::bundle::{Count, Report, SubjectReport};
use crate::studio::account::Account;
use crate::studio::subject::OutputName;

/// What an imported file was.
pub enum Source {
    Bundle,
    Picture { account: Box<Account>, reference_missing: bool },
    Known(OutputName),
}

/// The report on one file.
pub struct FileReport<'a> {
    pub path: &'a Path,
    pub source: Source,
    pub report: Report,
}

impl FileReport<'_> {
    /// The lines of the report, details indented.
    pub fn lines(&self) -> Vec<String> {
        let name = self.path.display();
        if let Source::Known(output) = &self.source {
            return vec![format!("{name}: nothing was changed, because the project already has it as {output}.")];
        }
        let mut lines = vec![match self.report.is_unchanged() {
            true => format!("{name}: nothing was changed, because the project already has all of it."),
            false => format!("Imported {name}."),
        }];
        for subject in &self.report.subjects {
            let handle = &subject.handle;
            if subject.subjects.added > 0 {
                lines.push(format!("  {handle} is a new subject"));
            }
            let added = counts(subject).into_iter().filter(|(_, count)| count.added > 0);
            let added: Vec<String> = added.map(|(what, count)| describe::count(count.added, what)).collect();
            if !added.is_empty() {
                lines.push(format!("  new in {handle}: {}", added.join(", ")));
            }
            lines.extend(self.remarks(subject).into_iter().map(|remark| format!("  {remark}")));
        }
        lines.extend(preset_remarks(&self.report).into_iter().map(|remark| format!("  {remark}")));
        if let Source::Picture { account, .. } = &self.source
            && !account.not_applied.is_empty()
        {
            lines.push(format!("  not applied, from {}:", account.program.name()));
            lines.extend(account.not_applied.iter().map(|item| format!("    {item}")));
        }
        lines
    }

    /// The object of `--json`.
    pub fn document(&self) -> Value {
        let report = &self.report;
        let account = match &self.source {
            Source::Picture { account, .. } => Some(account),
            _ => None,
        };
        json!({
            "file": self.path.to_string_lossy(),
            "kind": if matches!(self.source, Source::Bundle) { "bundle" } else { "picture" },
            "program": account.map(|account| account.program.name()),
            "not_applied": account.map(|account| &account.not_applied),
            "changed": !report.is_unchanged(),
            "here_as": match &self.source { Source::Known(output) => json!(output.to_string()), _ => Value::Null },
            "subjects": report.subjects.iter().map(subject_document).collect::<Vec<_>>(),
            "presets": {
                "new": report.presets.count.added,
                "here_already": report.presets.count.existing,
                "remarks": preset_remarks(report),
            },
        })
    }

    /// What differs from the project that the subject comes from.
    fn remarks(&self, subject: &SubjectReport) -> Vec<String> {
        let mut remarks = Vec::new();
        if subject.subjects.added > 0 && subject.handle_in_bundle != subject.handle {
            remarks.push(renamed(&subject.handle_in_bundle, &subject.handle));
        }
        // A picture from outside a project had no run number before.
        if !matches!(&self.source, Source::Picture { account, .. } if account.task.is_none()) {
            remarks.extend(subject.runs_renamed.iter().map(|(was, is)| renamed(was, is)));
        }
        remarks.extend(subject.references_renamed.iter().map(|(was, is)| renamed(was, is)));
        remarks.extend(subject.remarks.iter().map(ToString::to_string));
        if matches!(self.source, Source::Picture { reference_missing: true, .. }) {
            remarks.push("the project lacks the reference that it was made with".to_owned());
        }
        remarks
    }
}

fn subject_document(subject: &SubjectReport) -> Value {
    let counts = counts(subject).map(|(what, count)| {
        // Scripts know consents as rights.
        let field = if what == "consent" { "rights".to_owned() } else { format!("{what}s") };
        (field, json!({"new": count.added, "here_already": count.existing}))
    });
    let runs = subject.runs_renamed.iter().map(|(was, is)| json!({"was": was.to_string(), "is": is.to_string()}));
    let references =
        subject.references_renamed.iter().map(|(was, is)| json!({"was": was.to_string(), "is": is.to_string()}));
    json!({
        "subject": subject.handle.as_str(),
        "was": subject.handle_in_bundle.as_str(),
        "is_new": subject.subjects.added > 0,
        "counts": counts.into_iter().collect::<Map<String, Value>>(),
        "tasks": subject.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "renamed": runs.chain(references).collect::<Vec<_>>(),
        "remarks": subject.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn counts(subject: &SubjectReport) -> [(&'static str, Count); 6] {
    [
        ("consent", subject.consents),
        ("reference", subject.references),
        ("run", subject.runs),
        ("picture", subject.outputs),
        ("review", subject.reviews),
        ("baseline", subject.baselines),
    ]
}

fn renamed(was: &dyn Display, is: &dyn Display) -> String {
    format!("{was} is now {is}, because the name was taken")
}

fn preset_remarks(report: &Report) -> Vec<String> {
    let presets = &report.presets;
    let mut remarks = Vec::new();
    if presets.count.added > 0 {
        remarks.push(format!("new: {}", describe::count(presets.count.added, "preset")));
    }
    remarks.extend(presets.renamed.iter().map(|(was, is)| renamed(&format!("preset {was}"), is)));
    let on_trial =
        |name: &String| format!("preset {name} is on trial until enough outputs with its settings are accepted");
    remarks.extend(presets.on_trial.iter().map(on_trial));
    remarks
}
