//! Measures how long a user waits for a large project (opening, history, search, queue), and what the store and the
//! worker add to a run. See `benches/README.md`.

mod fill;
mod lookups;
mod report;
mod share;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use fill::Size;
use report::Row;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [make, folder, runs @ ..] = words.as_slice()
        && make == "make"
    {
        let size = Size::of(runs.first().map_or(Ok(100_000), |runs| runs.parse()).context("the number of runs")?);
        fill::project(Path::new(folder), size)?;
        println!("{size}: {folder}");
        return Ok(());
    }
    let (numbers, names): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.parse::<u32>().is_ok());
    let runs = numbers.first().map_or(Ok(100_000), |number| number.parse()).context("the number of runs")?;
    let only = |name: &str| names.is_empty() || names.iter().any(|word| name.contains(word.as_str()));

    let mut rows = Vec::new();
    if only("lookups") {
        let folder = tempfile::tempdir()?;
        let size = Size::of(runs);
        let began = Instant::now();
        let project = fill::project(&folder.path().join("project"), size)?;
        let seconds = began.elapsed().as_secs_f64();
        println!("{size}: written in {seconds:.0} s, database {} MB\n", project.database_bytes()? / 1_000_000);
        rows.extend(lookups::measure(&project)?);
    }
    if only("share") {
        rows.push(share::measure()?);
    }
    report::print(&rows);
    if rows.iter().any(Row::exceeds_limit) {
        anyhow::bail!("a median exceeds its limit");
    }
    Ok(())
}
