//! Measures what screens and commands read from a large project.
//!
//! Each measurement opens a new connection, so SQLite's cache is empty. The files are in the system's cache, as for a
//! project that was just in use.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use pentimento::store::queue::Next;
use pentimento::store::{Reader, Store};
use pentimento::studio::subject::Handle;

use crate::fill::{self, Filled};
use crate::report::{Row, timed};

const TIMES: usize = 25;
/// As many runs as a screen shows.
const HISTORY: u32 = 50;
const HITS: u32 = 50;

const OPEN_LIMIT: Option<f64> = Some(100.0);
const SEARCH_LIMIT: Option<f64> = Some(50.0);
const CLAIM_LIMIT: Option<f64> = Some(5.0);

pub fn measure(project: &Filled) -> Result<Vec<Row>> {
    let mut rows = vec![
        Row::times("open read-only, list a subject's last 50 runs", OPEN_LIMIT, TIMES, |time| {
            history(|| Ok(Reader::open(&project.folder)?), project, time)
        })?,
        Row::times("open for writing, list a subject's last 50 runs", OPEN_LIMIT, TIMES, |time| {
            history(|| Ok(Store::open(&project.folder)?.reader()?), project, time)
        })?,
        Row::times("`pentimento runs SUBJECT`, from start to exit", OPEN_LIMIT, TIMES, |time| program(project, time))?,
    ];
    let worker = Store::open(&project.folder)?;
    worker.resume()?;
    rows.push(Row::times("open for writing beside an open worker, list 50 runs", OPEN_LIMIT, TIMES, |time| {
        history(|| Ok(Store::open(&project.folder)?.reader()?), project, time)
    })?);
    rows.push(Row::times("list the last 50 runs of all subjects", OPEN_LIMIT, TIMES, |_| {
        let reader = Reader::open(&project.folder)?;
        let (took, found) = timed(|| Ok(reader.newest_runs(HISTORY)?))?;
        ensure!(found.len() == HISTORY as usize);
        Ok(took)
    })?);
    rows.extend(searches(project)?);
    rows.push(queue(project)?);
    rows.push(claims(project, &worker)?);
    Ok(rows)
}

fn history(open: impl FnOnce() -> Result<Reader>, project: &Filled, time: usize) -> Result<Duration> {
    let handle = project.subject(time * 37);
    let (took, lines) = timed(|| {
        let reader = open()?;
        let subject = reader.subject(&handle)?;
        Ok(reader.runs(subject.id, None, HISTORY)?)
    })?;
    ensure!(lines.len() == HISTORY as usize && lines.iter().any(|line| line.outputs > 0), "{} runs", lines.len());
    Ok(took)
}

/// Runs the command line program.
fn program(project: &Filled, time: usize) -> Result<Duration> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pentimento"));
    command.arg("--project").arg(&project.folder).args(["runs", project.subject(time * 41).as_str()]);
    let (took, status) = timed(|| Ok(command.stdout(Stdio::null()).status()?))?;
    ensure!(status.success(), "{status}");
    Ok(took)
}

/// Searches for words in nearly all runs, words in one of a thousand, and prefixes, as while typing.
fn searches(project: &Filled) -> Result<Vec<Row>> {
    let queries = [
        ("common word", fill::COMMON.to_owned()),
        ("two common words", format!("{} {}", fill::COMMON, fill::ALSO_COMMON)),
        ("rare word", fill::rare(7)),
        ("common and rare word", format!("{} {}", fill::COMMON, fill::rare(7))),
        ("prefix of three letters", "por".to_owned()),
        ("prefix of one letter", "s".to_owned()),
        ("no match", "xylophone".to_owned()),
    ];
    let mut rows = Vec::new();
    for (name, query) in &queries {
        for of_subject in [false, true] {
            let whose = if of_subject { ", one subject" } else { "" };
            rows.push(Row::times(&format!("search: {name}{whose}"), SEARCH_LIMIT, TIMES, |time| {
                let reader = Reader::open(&project.folder)?;
                let subject = reader.subject(&project.subject(time * 37))?.id;
                let (took, hits) = timed(|| {
                    Ok(if of_subject {
                        reader.search_subject(subject, query, HITS)?
                    } else {
                        reader.search(query, HITS)?
                    })
                })?;
                // A rare word need not occur in this subject.
                let must_match = query.as_str() != "xylophone" && !(of_subject && name.contains("rare"));
                ensure!(!must_match || !hits.is_empty(), "no run matches {query}");
                Ok(took)
            })?);
        }
    }
    Ok(rows)
}

fn queue(project: &Filled) -> Result<Row> {
    Row::times("list the queue's first 100 runs", None, TIMES, |_| {
        let reader = Reader::open(&project.folder)?;
        let (took, runs) = timed(|| Ok(reader.queue(100)?))?;
        ensure!(runs.len() == 100);
        Ok(took)
    })
}

/// Each claim is a transaction that is on disk when the call returns.
fn claims(project: &Filled, store: &Store) -> Result<Row> {
    let reader = store.reader()?;
    let waiting = reader.queue(u32::MAX)?.len();
    ensure!(waiting == project.size.queued as usize, "{waiting} runs are queued");
    let name = format!("claim a run, {waiting} queued");
    Row::times(&name, CLAIM_LIMIT, 4 * TIMES, |_| {
        let (took, next) = timed(|| Ok(store.claim("bench", Duration::from_secs(3600), Timestamp::now())?))?;
        ensure!(matches!(next, Next::Run(_)), "{next:?}");
        Ok(took)
    })
}

impl Filled {
    /// A subject by number, modulo the number of subjects.
    pub fn subject(&self, number: usize) -> Handle {
        fill::handle(number as u32 % self.size.subjects)
    }
}
