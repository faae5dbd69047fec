//! From the names people type to what the project holds under them.

use jiff::Timestamp;

use super::config::Config;
use crate::store::{Error, Reader};
use crate::studio::ids::SubjectId;
use crate::studio::reference::{Reference, State};
use crate::studio::rules::Refusal;
use crate::studio::run::{Output, Run};
use crate::studio::subject::OutputName;

/// An output and the run it belongs to.
pub fn output(reader: &Reader, name: &OutputName) -> anyhow::Result<(Run, Output)> {
    let run = reader.run(&name.task)?;
    let found = reader.outputs(run.id)?.into_iter().find(|output| output.seed == name.seed);
    let missing = || Error::NotFound { what: "output", name: name.to_string() };
    Ok((run, found.ok_or_else(missing)?))
}

/// The output that a subject's runs are held against.
pub fn baseline(reader: &Reader, subject: SubjectId) -> anyhow::Result<Option<OutputName>> {
    let Some(baseline) = reader.baseline(subject)? else { return Ok(None) };
    let output = reader.output(baseline.output)?;
    Ok(Some(OutputName { task: reader.run_by_id(output.run)?.task, seed: output.seed }))
}

/// The subject's newest approved reference. Where there is none but one waits to be looked at, that is refused instead
/// of left out.
pub fn newest_reference(reader: &Reader, subject: SubjectId) -> anyhow::Result<Option<Reference>> {
    let newest = |state: State| {
        let references = reader.references(subject)?;
        Ok::<_, Error>(references.into_iter().rev().find(|reference| reference.state == state))
    };
    if let Some(reference) = newest(State::Approved)? {
        return Ok(Some(reference));
    }
    match newest(State::Candidate)? {
        Some(candidate) => {
            Err(Refusal::UnapprovedReference { reference: candidate.name, state: candidate.state }.into())
        }
        None => Ok(None),
    }
}

/// Who reviews, where nobody is named: as `config` says, or the one who is logged in.
pub fn reviewer(named: Option<&str>) -> String {
    let logged_in = || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let chosen = || Config::load().ok()?.reviewer;
    let named = named.map(str::to_owned).or_else(chosen).or_else(logged_in);
    named.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

pub fn now() -> Timestamp {
    Timestamp::now()
}
