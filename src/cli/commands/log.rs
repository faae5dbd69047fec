//! `log`: the tree of a subject's runs.

use std::collections::HashMap;
use std::iter;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::{describe, fit, print, tables};
use crate::cli::project::{self, ProjectArguments};
use crate::service::reviews;
use crate::store::runs::RunLine;
use crate::studio::lineage::{self, Node};
use crate::studio::subject::{Handle, OutputName, TaskId};
use crate::studio::text;

/// Show the tree of a subject's runs, and what each run changed
///
/// The oldest run is at the top, and children are below their parents. A run's newest child continues its column; the
/// others branch off to the right. Each run shows its state, seeds and verdicts, its changes against its parent, and
/// its diagnosis, else the newest note of a review.
#[derive(Args)]
pub struct Arguments {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Print the runs as one JSON document, parents before children
    #[arg(long)]
    json: bool,
}

/// The columns that are drawn. A run further to the right names its parent instead.
const COLUMNS: usize = 8;

/// The width of a list of seeds.
const SEEDS: usize = 24;

/// A run, its place in the tree, and its parent.
struct Entry<'l> {
    line: &'l RunLine,
    node: Node,
    parent: Option<&'l TaskId>,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let subject = reader.subject(&arguments.subject)?;
    let baseline = reviews::baseline(&reader, subject.id)?;
    let mut lines = reader.runs(subject.id, None, u32::MAX)?;
    lines.reverse();

    let indices: HashMap<_, _> = lines.iter().enumerate().map(|(index, line)| (line.run.id, index)).collect();
    let parent = |line: &RunLine| line.run.parent.and_then(|parent| indices.get(&parent).copied());
    let parents: Vec<Option<usize>> = lines.iter().map(parent).collect();
    let entries = lineage::layout(&parents).into_iter().map(|node| {
        let parent = parents[node.index].map(|parent| &lines[parent].run.task);
        Entry { line: &lines[node.index], node, parent }
    });

    if arguments.json {
        let runs = entries.map(|entry| entry.document()).collect::<anyhow::Result<Vec<Value>>>()?;
        let baseline = baseline.map(|name| name.to_string());
        let subject = subject.handle.as_str();
        return Ok(print::document(&json!({"subject": subject, "baseline": baseline, "runs": runs}))?);
    }
    if lines.is_empty() {
        return Ok(tables::runs(&lines)?);
    }
    let columns = fit::columns();
    Ok(print::lines(entries.enumerate().flat_map(|(number, entry)| {
        let gap = (number > 0 && entry.parent.is_none()).then(String::new);
        gap.into_iter().chain(entry.draw(baseline.as_ref(), columns))
    }))?)
}

impl Entry<'_> {
    fn document(&self) -> anyhow::Result<Value> {
        let RunLine { run, outputs, accepted, rejected, note } = self.line;
        Ok(json!({
            "task": run.task.to_string(),
            "parent": self.parent.map(ToString::to_string),
            "column": self.node.column,
            "state": run.state.name(),
            "delta": serde_json::to_value(&run.delta)?,
            "debug_reason": run.debug_reason,
            "seeds": run.seeds.as_slice(),
            "outputs": outputs,
            "accepted": accepted,
            "rejected": rejected,
            "diagnosis": run.diagnosis,
            "note": note,
            "error": run.error,
            "created": run.created.to_string(),
        }))
    }

    /// The run's lines with the tree on their left.
    fn draw(&self, baseline: Option<&OutputName>, columns: usize) -> impl Iterator<Item = String> + use<> {
        let Node { column, branches_off, continues, .. } = self.node;
        let beside = "│ ".repeat(column.min(COLUMNS));
        let joint = match beside.strip_suffix("│ ") {
            Some(left) if branches_off && column <= COLUMNS => format!("{left}├─● "),
            _ => format!("{beside}● "),
        };
        let below = beside + if continues { "│ " } else { "  " };

        let room = columns.saturating_sub(text::width(&below));
        let mut words: Vec<String> = text::wrap(&self.head(baseline), room);
        let details = self.details().into_iter().filter(|text| !text.is_empty());
        words.extend(details.map(|text| format!("  {}", text::fit(&text, room.saturating_sub(2)))));
        let margins = iter::once(joint).chain(iter::repeat(below));
        margins.zip(words).map(|(margin, words)| margin + &words)
    }

    /// `ada-0002  done  seeds 7x3  1 accepted, 2 unreviewed  baseline: seed 7`
    fn head(&self, baseline: Option<&OutputName>) -> String {
        let RunLine { run, outputs, accepted, rejected, .. } = self.line;
        let open = outputs.saturating_sub(accepted + rejected);
        let verdicts = [(*accepted, "accepted"), (*rejected, "rejected"), (open, "unreviewed")];
        let counts = verdicts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let verdicts = counts.collect::<Vec<_>>().join(", ");
        let verdicts = if verdicts.is_empty() { "no pictures".to_owned() } else { verdicts };
        let seeds = if run.seeds.as_slice().len() == 1 { "seed" } else { "seeds" };
        let mut head =
            format!("{}  {}  {seeds} {}  {verdicts}", run.task, run.state, text::fit(&run.seeds.to_string(), SEEDS));
        if let Some(baseline) = baseline.filter(|baseline| baseline.task == run.task) {
            head += &format!("  baseline: seed {}", baseline.seed);
        }
        head
    }

    /// The parent if the tree cannot show it, the changes, and the diagnosis, note or error.
    fn details(&self) -> [String; 3] {
        let RunLine { run, note, .. } = self.line;
        let hidden = self.parent.filter(|_| self.node.column > COLUMNS);
        let changed = match run.delta.as_ref().map(describe::delta) {
            Some(changed) if changed.is_empty() => "only the seeds differ".to_owned(),
            Some(changed) => changed,
            None => run.recipe.prompt.assembled(),
        };
        let remark = match (run.diagnosis.as_str(), note.as_str(), &run.error) {
            ("", "", Some(error)) => format!("error: {error}"),
            ("", "", None) => String::new(),
            ("", note, _) => format!("note: {note}"),
            (diagnosis, ..) => format!("diagnosis: {diagnosis}"),
        };
        [hidden.map_or_else(String::new, |parent| format!("child of {parent}")), changed, remark]
    }
}
