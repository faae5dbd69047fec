//! What a screen or a command asks of a large project.
//!
//! Each look at the project takes a fresh connection, with nothing in SQLite's own memory; the files are in the
//! system's, as they are for a project that was just in use.

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
/// As many as a screen shows, and a page of a list.
const HISTORY: u32 = 50;
const HITS: u32 = 50;

const OPEN_LIMIT: Option<f64> = Some(100.0);
const SEARCH_LIMIT: Option<f64> = Some(50.0);
const CLAIM_LIMIT: Option<f64> = Some(5.0);

pub fn measure(project: &Filled) -> Result<Vec<Row>> {
    let mut rows = vec![
        Row::times("open to read, a subject's last 50 runs", OPEN_LIMIT, TIMES, |time| {
            history(|| Ok(Reader::open(&project.folder)?), project, time)
        })?,
        Row::times("open to write, a subject's last 50 runs", OPEN_LIMIT, TIMES, |time| {
            history(|| Ok(Store::open(&project.folder)?.reader()?), project, time)
        })?,
        Row::times("the program: `runs SUBJECT`, from start to end", OPEN_LIMIT, TIMES, |time| program(project, time))?,
    ];
    let worker = Store::open(&project.folder)?;
    worker.resume()?;
    rows.push(Row::times("open to write, while a worker has it open", OPEN_LIMIT, TIMES, |time| {
        history(|| Ok(Store::open(&project.folder)?.reader()?), project, time)
    })?);
    rows.push(Row::times("the last 50 runs of the whole project", OPEN_LIMIT, TIMES, |_| {
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

/// What a person waits for who types the command.
fn program(project: &Filled, time: usize) -> Result<Duration> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pentimento"));
    command.arg("--project").arg(&project.folder).args(["runs", project.subject(time * 41).as_str()]);
    let (took, status) = timed(|| Ok(command.stdout(Stdio::null()).status()?))?;
    ensure!(status.success(), "{status}");
    Ok(took)
}

/// Words that nearly all runs have, words of one in a thousand, and beginnings of words, as when somebody types.
fn searches(project: &Filled) -> Result<Vec<Row>> {
    let queries = [
        ("a common word", fill::COMMON.to_owned()),
        ("two common words", format!("{} {}", fill::COMMON, fill::ALSO_COMMON)),
        ("a rare word", fill::rare(7)),
        ("a common and a rare word", format!("{} {}", fill::COMMON, fill::rare(7))),
        ("a beginning of three letters", "por".to_owned()),
        ("a beginning of one letter", "s".to_owned()),
        ("no such word", "xylophone".to_owned()),
    ];
    let mut rows = Vec::new();
    for (name, query) in &queries {
        for of_subject in [false, true] {
            let whose = if of_subject { ", of a subject" } else { "" };
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
                // What is rare need not be in one subject.
                let sure = query.as_str() != "xylophone" && !(of_subject && name.contains("rare"));
                ensure!(!sure || !hits.is_empty(), "{query} is not found");
                Ok(took)
            })?);
        }
    }
    Ok(rows)
}

fn queue(project: &Filled) -> Result<Row> {
    Row::times("the queue's first 100 runs", None, TIMES, |_| {
        let reader = Reader::open(&project.folder)?;
        let (took, runs) = timed(|| Ok(reader.queue(100)?))?;
        ensure!(runs.len() == 100);
        Ok(took)
    })
}

/// Each claim is a transaction that is on the disk when it returns.
fn claims(project: &Filled, store: &Store) -> Result<Row> {
    let reader = store.reader()?;
    let waiting = reader.queue(u32::MAX)?.len();
    ensure!(waiting == project.size.queued as usize, "{waiting} runs wait");
    let name = format!("claim a run, where {waiting} wait");
    Row::times(&name, CLAIM_LIMIT, 4 * TIMES, |_| {
        let (took, next) = timed(|| Ok(store.claim("bench", Duration::from_secs(3600), Timestamp::now())?))?;
        ensure!(matches!(next, Next::Run(_)), "{next:?}");
        Ok(took)
    })
}

impl Filled {
    /// One of the subjects, any number taken round.
    pub fn subject(&self, number: usize) -> Handle {
        fill::handle(number as u32 % self.size.subjects)
    }
}
