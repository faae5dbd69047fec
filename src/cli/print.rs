//! Words and facts on stdout, one harmless line at a time.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::Value;

use crate::studio::delta::{Change, Delta};
use crate::studio::text::clean;
use crate::studio::words::Word;

/// A line of words, without what could steer the terminal.
pub fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", clean(text).trim_end())
}

/// The one document of `--json`.
pub fn document(document: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{document}")
}

/// Rows whose columns stand below each other.
pub fn table(rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        line(&cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}

/// Names and what belongs to them; a name without anything is left out.
pub fn pairs(pairs: &[(&str, String)]) -> io::Result<()> {
    let said = pairs.iter().filter(|(_, text)| !text.is_empty());
    let rows: Vec<Vec<String>> = said.map(|(name, text)| vec![format!("  {name}"), text.clone()]).collect();
    table(&rows)
}

/// `1 picture`, `2 pictures`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Several variables in one line.
pub fn delta(delta: &Delta) -> String {
    delta.changes.iter().map(change).collect::<Vec<_>>().join("; ")
}

/// A variable and what became of it; in prompts the words that went and came are marked.
pub fn change(change: &Change) -> String {
    let Change { variable, before, after, words } = change;
    if words.is_empty() {
        format!("{variable}: {before} → {after}")
    } else {
        format!("{variable}: {}", marked(words))
    }
}

/// `a [-warm-] {+cold+} light`
fn marked(words: &[Word]) -> String {
    let stretches = words.iter().map(|word| match word {
        Word::Same(text) => text.clone(),
        Word::Removed(text) => format!("[-{text}-]"),
        Word::Added(text) => format!("{{+{text}+}}"),
    });
    stretches.collect::<Vec<_>>().join(" ")
}
