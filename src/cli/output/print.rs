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
    writeln!(io::stdout(), "{document}")
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
