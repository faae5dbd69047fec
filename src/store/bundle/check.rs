//! Validates the rows of a bundle, which may come from anyone.

use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;

use crate::studio::consent::{ConsentKind, Grant};
use crate::studio::delta::Delta;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::review::{Judgement, Key, Score, Verdict};
use crate::studio::seeds::Seeds;
use crate::studio::settings::Settings;
use crate::studio::text::clean;
use crate::studio::words::Word;

use super::rows::{ConsentRow, PromptRow, ReviewRow, RunRow, SettingsRow};
use crate::store::columns::to_json;
use crate::store::{Error, Result};

/// Limit of the width and height of an image in pixels.
const MAX_SIDE: u32 = 12_000;

/// Limits of a text and of a report in bytes.
const MAX_TEXT: usize = 256 << 10;
const MAX_REPORT: usize = 1 << 20;
/// Limit of the number of a run or reference; higher numbers stay free for new ones.
const MAX_NUMBER: u32 = 100_000_000;

/// An error about a bundle. [`Error::of_bundle`] adds its path.
pub(super) fn wrong(reason: impl std::fmt::Display) -> Error {
    let reason: String = clean(&reason.to_string()).chars().take(400).collect();
    Error::BadBundle { path: PathBuf::new(), reason }
}

/// Parses a value of the domain.
pub(super) fn parsed<T: FromStr>(text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(wrong)
}

/// Looks a name up in one of the domain's lists.
pub(super) fn named<T>(what: &str, name: &str, from_name: impl Fn(&str) -> Option<T>) -> Result<T> {
    from_name(name).ok_or_else(|| wrong(format!("unknown {what} {name:?}")))
}

pub(super) fn time(milliseconds: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| wrong(format!("{milliseconds} is not a valid time")))
}

pub(super) fn times(milliseconds: Option<i64>) -> Result<Option<Timestamp>> {
    milliseconds.map(time).transpose()
}

pub(super) fn verdict(name: &str) -> Result<Verdict> {
    named("verdict", name, Verdict::from_name)
}

pub(super) fn grant(row: &ConsentRow) -> Result<Grant> {
    let kind: ConsentKind = parsed(&row.kind)?;
    text("a consent's statement", &row.statement)?;
    Grant::new(kind, &row.statement, time(row.granted)?, times(row.expires)?).map_err(wrong)
}

pub(super) fn prompt(row: &PromptRow) -> Result<Prompt> {
    let block = |block: &str| text("a prompt", block);
    Ok(Prompt::new()
        .with(Block::Subject, &block(&row.subject)?)
        .with(Block::Camera, &block(&row.camera)?)
        .with(Block::Lighting, &block(&row.lighting)?)
        .with(Block::Style, &block(&row.style)?)
        .with(Block::Constraints, &block(&row.constraints)?)
        .with_negative(&block(&row.negative)?))
}

pub(super) fn seeds(row: &RunRow) -> Result<Seeds> {
    Seeds::new(row.seeds.clone()).map_err(wrong)
}

pub(super) fn settings(row: &SettingsRow) -> Result<Settings> {
    row.0.check().map_err(wrong)?;
    Ok(row.0.clone())
}

pub(super) fn judgement(row: &ReviewRow) -> Result<Judgement> {
    let score = |(key, score): (&String, &u8)| Ok((parsed::<Key>(key)?, Score::new(*score).map_err(wrong)?));
    Ok(Judgement {
        reviewer: text("a reviewer's name", &row.reviewer)?,
        note: text("a note", &row.note)?,
        failures: row.failures.iter().map(|key| parsed(key)).collect::<Result<_>>()?,
        scores: row.scores.iter().map(score).collect::<Result<_>>()?,
        verdict: verdict(&row.verdict)?,
    })
}

/// Checks a text: limited length, and no control or invisible characters, which could steer a terminal.
pub(super) fn text(what: &str, text: &str) -> Result<String> {
    if text.len() > MAX_TEXT {
        let length = text.len();
        return Err(wrong(format!("{what} is {length} bytes long; the limit is {MAX_TEXT}")));
    }
    if clean(text) != text {
        return Err(wrong(format!("{what} has control or invisible characters: {:?}", clean(text))));
    }
    Ok(text.to_owned())
}

/// Checks an optional text. None if it is missing or blank.
pub(super) fn optional_text(what: &str, text: Option<&String>) -> Result<Option<String>> {
    let text = text.map(|text| self::text(what, text)).transpose()?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// Checks a text that must not be blank.
pub(super) fn required(what: &str, text: &str) -> Result<String> {
    let text = self::text(what, text)?.trim().to_owned();
    if text.is_empty() { Err(wrong(format!("{what} is empty"))) } else { Ok(text) }
}

/// Checks the size of a report or of measures. Returns it as JSON.
pub(super) fn report(report: Option<&impl serde::Serialize>) -> Result<Option<String>> {
    let text = report.map(to_json).transpose()?;
    if text.as_ref().is_some_and(|text| text.len() > MAX_REPORT) {
        return Err(wrong(format!("a report has more than {} KiB", MAX_REPORT >> 10)));
    }
    Ok(text)
}

pub(super) fn number(number: u32) -> Result<u32> {
    let is_valid = (1..=MAX_NUMBER).contains(&number);
    if is_valid { Ok(number) } else { Err(wrong(format!("the number {number} of a run or reference is out of range"))) }
}

/// Checks the last number used; 0 means none.
pub(super) fn last_number(number: u32) -> Result<u32> {
    if number == 0 { Ok(0) } else { self::number(number) }
}

pub(super) fn size(width: u32, height: u32) -> Result<(u32, u32)> {
    let is_valid = |side| (1..=MAX_SIDE).contains(&side);
    if is_valid(width) && is_valid(height) {
        return Ok((width, height));
    }
    Err(wrong(format!("invalid image size {width}×{height} pixels")))
}

/// Cleans the texts of a delta, which may hold file names with any character.
pub(super) fn delta(delta: &Delta) -> Delta {
    let mut delta = delta.clone();
    for change in &mut delta.changes {
        (change.before, change.after) = (clean(&change.before), clean(&change.after));
        for word in &mut change.words {
            let (Word::Same(text) | Word::Removed(text) | Word::Added(text)) = word;
            *text = clean(text);
        }
    }
    delta
}
