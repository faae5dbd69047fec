//! Tables that several commands print.

use std::io;

use jiff::Timestamp;

use super::{describe, print};
use crate::store::runs::RunLine;
use crate::studio::consent::Consent;
use crate::studio::reference::Reference;

/// Runs, one line each.
pub fn runs(lines: &[RunLine]) -> io::Result<()> {
    if lines.is_empty() {
        return print::line("No runs yet. Next: pentimento run SUBJECT --subject-block TEXT");
    }
    let row = |line: &RunLine| {
        let run = &line.run;
        let made = describe::count(u64::from(line.outputs), "picture");
        let accepted = if line.accepted == 0 { String::new() } else { format!(", {} accepted", line.accepted) };
        let changed = run.delta.as_ref().map(describe::delta).filter(|changed| !changed.is_empty());
        let what = changed.unwrap_or_else(|| run.recipe.prompt.assembled());
        vec![run.task.to_string(), describe::day(run.created), run.state.name().to_owned(), made + &accepted, what]
    };
    print::list(&lines.iter().map(row).collect::<Vec<_>>())
}

/// References with their state, size, label and note.
pub fn references(references: &[Reference]) -> io::Result<()> {
    if references.is_empty() {
        return print::line("  none: pentimento ref add SUBJECT FILE --rights KIND --statement TEXT");
    }
    let row = |reference: &Reference| {
        let texts = [&reference.label, &reference.note].into_iter().filter(|text| !text.is_empty());
        let texts = texts.cloned().collect::<Vec<_>>().join(": ");
        vec![format!("  {}", reference.name), reference.state.to_string(), describe::size(reference), texts]
    };
    print::table(&references.iter().map(row).collect::<Vec<_>>())
}

/// Consents, numbered from 1, oldest first.
pub fn consents(consents: &[Consent]) -> io::Result<()> {
    if consents.is_empty() {
        return print::line("  none: `ref add` records one with --rights and --statement");
    }
    let now = Timestamp::now();
    let row = |(consent, number): (&Consent, usize)| {
        let (kind, statement) = (consent.grant.kind().to_string(), consent.grant.statement().to_owned());
        vec![format!("  {number}"), kind, describe::standing(consent, now), statement]
    };
    print::table(&consents.iter().zip(1..).map(row).collect::<Vec<_>>())
}
