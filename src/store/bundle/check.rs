//! From rows that a stranger may have written to values that the domain allows.

use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;

use crate::studio::consent::{Grant, Right};
use crate::studio::delta::Delta;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::review::{Judgement, Key, Score, Verdict};
use crate::studio::run::Seeds;
use crate::studio::settings::{AdapterScale, LongPrompt, Settings};
use crate::studio::text::clean;
use crate::studio::words::Word;

use super::rows::{ConsentRow, PromptRow, ReviewRow, RunRow, ScaleRow, SettingsRow};
use crate::store::columns::to_json;
use crate::store::{Error, Result};

/// Denoising steps that anybody asks for.
const MOST_STEPS: u32 = 1000;
/// Pixels along a side of a picture, and of one that somebody wished for.
const LONGEST_SIDE: u32 = 12_000;
const LONGEST_WISH: u32 = 1_000_000;

/// Bytes of a text, and of a report.
const LONGEST_TEXT: usize = 256 << 10;
const LARGEST_REPORT: usize = 1 << 20;
/// The highest number of a run or a reference: room for all that follow.
const HIGHEST_NUMBER: u32 = 100_000_000;

/// What is wrong with a bundle, said as a sentence about it. Which bundle it is, is added where that is known.
pub(super) fn wrong(what: impl std::fmt::Display) -> Error {
    let reason: String = clean(&what.to_string()).chars().take(400).collect();
    Error::BadBundle { path: PathBuf::new(), reason }
}

/// A name that the domain knows, read with its own parser.
pub(super) fn parsed<T: FromStr>(text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(wrong)
}

/// A name from one of the domain's lists.
pub(super) fn named<T>(what: &str, name: &str, from_name: impl Fn(&str) -> Option<T>) -> Result<T> {
    from_name(name).ok_or_else(|| wrong(format!("it has a {what} called {name:?}")))
}

pub(super) fn time(milliseconds: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| wrong(format!("{milliseconds} is no time")))
}

pub(super) fn times(milliseconds: Option<i64>) -> Result<Option<Timestamp>> {
    milliseconds.map(time).transpose()
}

pub(super) fn verdict(name: &str) -> Result<Verdict> {
    named("verdict", name, Verdict::from_name)
}

pub(super) fn grant(row: &ConsentRow) -> Result<Grant> {
    let kind: Right = parsed(&row.kind)?;
    words("the statement of a right", &row.statement)?;
    Grant::new(kind, &row.statement, time(row.granted)?, times(row.expires)?).map_err(wrong)
}

pub(super) fn prompt(row: &PromptRow) -> Result<Prompt> {
    let block = |text: &str| words("a prompt", text);
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
    let odd = |name: &str, value: &dyn std::fmt::Display| wrong(format!("a run's {name} is {value}"));
    if !(1..=MOST_STEPS).contains(&row.steps) {
        return Err(odd("number of steps", &row.steps));
    }
    let scales = match &row.adapter_scale {
        ScaleRow::Uniform(scale) => vec![*scale],
        ScaleRow::PerBlock(scales) => scales.values().copied().collect(),
    };
    if let ScaleRow::PerBlock(scales) = &row.adapter_scale {
        scales.keys().try_for_each(|block| words("the name of a model's block", block).map(drop))?;
    }
    if let Some(scale) = [row.guidance].iter().chain(&scales).find(|scale| !scale.is_finite()) {
        return Err(odd("scale", scale));
    }
    if let Some(share) = [row.adapter_start, row.adapter_end].iter().find(|share| !(0.0..=1.0).contains(*share)) {
        return Err(odd("share of the steps", share));
    }
    let sides = [row.width, row.height];
    if let Some(side) = sides.iter().flatten().find(|side| !(1..=LONGEST_WISH).contains(*side)) {
        return Err(odd("size", side));
    }
    Ok(Settings {
        steps: row.steps as usize,
        guidance_scale: row.guidance,
        adapter_scale: match &row.adapter_scale {
            ScaleRow::Uniform(scale) => AdapterScale::Uniform(*scale),
            ScaleRow::PerBlock(scales) => AdapterScale::PerBlock(scales.clone()),
        },
        adapter_start: row.adapter_start,
        adapter_end: row.adapter_end,
        sampler: row.sampler.as_deref().map(parsed).transpose()?,
        karras_sigmas: row.karras_sigmas,
        width: row.width.map(|side| side as usize),
        height: row.height.map(|side| side as usize),
        long_prompt: named("way with long prompts", &row.long_prompt, |name| match name {
            "truncate" => Some(LongPrompt::Truncate),
            "chunk" => Some(LongPrompt::Chunk),
            _ => None,
        })?,
    })
}

pub(super) fn judgement(row: &ReviewRow) -> Result<Judgement> {
    let score = |(key, score): (&String, &u8)| Ok((parsed::<Key>(key)?, Score::new(*score).map_err(wrong)?));
    Ok(Judgement {
        reviewer: words("the name of a reviewer", &row.reviewer)?,
        note: words("a note", &row.note)?,
        failures: row.failures.iter().map(|key| parsed(key)).collect::<Result<_>>()?,
        scores: row.scores.iter().map(score).collect::<Result<_>>()?,
        verdict: verdict(&row.verdict)?,
    })
}

/// A text as this program writes it: nothing in it steers a terminal, and it is no book.
pub(super) fn words(what: &str, text: &str) -> Result<String> {
    if text.len() > LONGEST_TEXT {
        let length = text.len();
        return Err(wrong(format!("{what} in it has {length} bytes, and {LONGEST_TEXT} is the limit")));
    }
    if clean(text) != text {
        return Err(wrong(format!("{what} in it has characters that cannot be seen: {:?}", clean(text))));
    }
    Ok(text.to_owned())
}

/// A text that is there and says something, or nothing.
pub(super) fn said(what: &str, text: Option<&String>) -> Result<Option<String>> {
    let text = text.map(|text| words(what, text)).transpose()?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A name that must be there.
pub(super) fn required(what: &str, text: &str) -> Result<String> {
    let text = words(what, text)?.trim().to_owned();
    if text.is_empty() { Err(wrong(format!("{what} in it is empty"))) } else { Ok(text) }
}

/// What a program measured, as it wrote it down.
pub(super) fn report(report: Option<&serde_json::Value>) -> Result<Option<String>> {
    let text = report.map(to_json).transpose()?;
    if text.as_ref().is_some_and(|text| text.len() > LARGEST_REPORT) {
        return Err(wrong(format!("a report in it has more than {} KiB", LARGEST_REPORT >> 10)));
    }
    Ok(text)
}

pub(super) fn number(number: u32) -> Result<u32> {
    let is_right = (1..=HIGHEST_NUMBER).contains(&number);
    if is_right { Ok(number) } else { Err(wrong(format!("a run or reference in it has the number {number}"))) }
}

/// The last number given; none may have been given yet.
pub(super) fn last_number(number: u32) -> Result<u32> {
    if number == 0 { Ok(0) } else { self::number(number) }
}

pub(super) fn size(width: u32, height: u32) -> Result<(u32, u32)> {
    let is_right = |side| (1..=LONGEST_SIDE).contains(&side);
    if is_right(width) && is_right(height) {
        return Ok((width, height));
    }
    Err(wrong(format!("a picture in it is {width}×{height} pixels")))
}

/// A delta, whose texts may hold the names of files.
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
