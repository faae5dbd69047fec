//! Lines, tables and JSON on stdout, notes on stderr. Control characters are removed from text.

use std::io::{self, BufWriter, Write};

use serde_json::Value;

use super::fit;
use crate::studio::text::{self, clean};

/// Prints one line of text.
pub fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", clean(text).trim_end())
}

/// Prints the one document of `--json`.
pub fn document(document: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{}", escaped(&document.to_string()))
}

/// The same JSON with escapes for characters that could control a terminal or hide in it. Outside of strings JSON has no
/// such characters.
fn escaped(document: &str) -> String {
    let mut escaped = String::with_capacity(document.len());
    for c in document.chars() {
        if text::is_unsafe(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escaped += &format!("\\u{unit:04x}"));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Prints many lines at once.
pub fn lines(lines: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in lines {
        writeln!(out, "{}", clean(&line).trim_end())?;
    }
    out.flush()
}

/// Prints a note on stderr. A closed stderr is not an error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {}", clean(text));
}

/// Prints rows with aligned columns. A cell that is too long wraps within its column.
pub fn table(rows: &[Vec<String>]) -> io::Result<()> {
    columns(rows, text::wrap)
}

/// Prints rows with aligned columns, one line each. A cell that is too long is cut.
pub fn list(rows: &[Vec<String>]) -> io::Result<()> {
    columns(rows, |cell, columns| vec![text::fit(cell, columns)])
}

/// Prints labels and their values, indented. A label without a value is left out.
pub fn pairs(pairs: &[(&str, String)]) -> io::Result<()> {
    let filled = pairs.iter().filter(|(_, value)| !value.is_empty());
    let rows: Vec<Vec<String>> = filled.map(|(label, value)| vec![format!("  {label}"), value.clone()]).collect();
    table(&rows)
}

fn columns(rows: &[Vec<String>], fitted: impl Fn(&str, usize) -> Vec<String>) -> io::Result<()> {
    const GAP: &str = "  ";
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| text::width(cell)).max();
    let wanted: Vec<usize> = (0..count).map(|column| widest(column).unwrap_or(0)).collect();
    let widths = fit::shares(&wanted, fit::columns().saturating_sub(GAP.len() * count.saturating_sub(1)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_controls_no_terminal_and_keeps_its_values() {
        let value = serde_json::json!({"a\u{9b}2J": "x\u{202e}y\u{7f}\u{e0041}\u{1b}[31m é 肖 \n"});
        let printed = escaped(&value.to_string());
        assert!(!printed.chars().any(text::is_unsafe), "{printed:?}");
        assert!(
            printed.contains(r"\u202e") && printed.contains(r"\udb40\udc41") && printed.contains("é 肖"),
            "{printed}"
        );
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), value);
    }
}
