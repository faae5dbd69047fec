//! Words and facts on stdout, one harmless line at a time.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use jiff::Timestamp;
use serde_json::Value;

use super::fit;
use crate::studio::delta::{Change, Delta};
use crate::studio::review::{Key, Score};
pub use crate::studio::text::counted;
use crate::studio::text::{self, clean};
use crate::studio::words::Word;

/// A line of words, without what could steer the terminal.
pub fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", clean(text).trim_end())
}

/// The one document of `--json`.
pub fn document(document: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{document}")
}

/// Many lines at once.
pub fn lines(lines: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in lines {
        writeln!(out, "{}", clean(&line).trim_end())?;
    }
    out.flush()
}

/// Rows whose columns stand below each other; what is too long for its column goes on below itself.
pub fn table(rows: &[Vec<String>]) -> io::Result<()> {
    columns(rows, text::wrap)
}

/// The same with one line for each row; what is too long for its column is cut.
pub fn list(rows: &[Vec<String>]) -> io::Result<()> {
    columns(rows, |cell, columns| vec![text::fit(cell, columns)])
}

fn columns(rows: &[Vec<String>], fitted: impl Fn(&str, usize) -> Vec<String>) -> io::Result<()> {
    const GAP: &str = "  ";
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wish = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| text::width(cell)).max();
    let wishes: Vec<usize> = (0..count).map(|column| wish(column).unwrap_or(0)).collect();
    let widths = fit::shares(&wishes, fit::columns().saturating_sub(GAP.len() * count.saturating_sub(1)));
    lines(rows.iter().flat_map(|row| {
        let cells: Vec<Vec<String>> = row.iter().zip(&widths).map(|(cell, &width)| fitted(cell, width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let part = |cell: &Vec<String>, number: usize| cell.get(number).cloned().unwrap_or_default();
        let line = |number| {
            let parts = cells.iter().zip(&widths).map(|(cell, &width)| text::pad(&part(cell, number), width));
            parts.collect::<Vec<_>>().join(GAP)
        };
        (0..height).map(line).collect::<Vec<_>>()
    }))
}

/// Names and what belongs to them; a name without anything is left out.
pub fn pairs(pairs: &[(&str, String)]) -> io::Result<()> {
    let said = pairs.iter().filter(|(_, text)| !text.is_empty());
    let rows: Vec<Vec<String>> = said.map(|(name, text)| vec![format!("  {name}"), text.clone()]).collect();
    table(&rows)
}

/// `appearance 3, skin 1`
pub fn scores(scores: &BTreeMap<Key, Score>) -> String {
    scores.iter().map(|(key, score)| format!("{key} {}", score.get())).collect::<Vec<_>>().join(", ")
}

pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Several variables in one line; of the words that stay, those beside a change.
pub fn delta(delta: &Delta) -> String {
    let short = |change: &Change| format!("{}: {}", change.variable, values(change, beside));
    delta.changes.iter().map(short).collect::<Vec<_>>().join("; ")
}

/// A variable and what became of it; in prompts the words that went and came are marked.
pub fn change(change: &Change) -> String {
    format!("{}: {}", change.variable, what_changed(change))
}

/// What became of a variable: `5 → 6.5`, or `a [-warm-] {+cold+} light`.
pub fn what_changed(change: &Change) -> String {
    values(change, |text, _, _| text.to_owned())
}

/// `stays` tells words that stay, with a change before them or behind them.
fn values(change: &Change, stays: impl Fn(&str, bool, bool) -> String) -> String {
    let words = &change.words;
    if words.iter().all(|word| matches!(word, Word::Same(_))) {
        return format!("{} → {}", change.before, change.after);
    }
    let stretch = |(place, word): (usize, &Word)| match word {
        Word::Same(text) => stays(text, place > 0, place + 1 < words.len()),
        Word::Removed(text) => format!("[-{text}-]"),
        Word::Added(text) => format!("{{+{text}+}}"),
    };
    words.iter().enumerate().map(stretch).collect::<Vec<_>>().join(" ")
}

/// A few words next to a change.
fn beside(text: &str, behind_one: bool, before_one: bool) -> String {
    const FEW: usize = 3;
    let words: Vec<&str> = text.split(' ').collect();
    let (head, tail) = (if behind_one { FEW } else { 0 }, if before_one { FEW } else { 0 });
    if words.len() <= head + tail + 1 {
        return text.to_owned();
    }
    format!("{} … {}", words[..head].join(" "), words[words.len() - tail..].join(" ")).trim().to_owned()
}
