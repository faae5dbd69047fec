//! The table of results.

use std::time::{Duration, Instant};

use anyhow::Result;

/// One operation, measured several times.
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    /// The median must not exceed this.
    pub limit: Option<f64>,
    pub figures: Vec<f64>,
}

impl Row {
    /// Runs `step` `times` times after one warm-up run. The figures are in milliseconds.
    pub fn times(
        name: &str,
        limit: Option<f64>,
        times: usize,
        mut step: impl FnMut(usize) -> Result<Duration>,
    ) -> Result<Self> {
        step(0)?;
        let figures = (1..=times).map(|time| Ok(step(time)?.as_secs_f64() * 1e3)).collect::<Result<_>>()?;
        Ok(Self { name: name.to_owned(), unit: "ms", limit, figures })
    }

    pub fn exceeds_limit(&self) -> bool {
        self.limit.is_some_and(|limit| self.median() > limit)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn worst(&self) -> f64 {
        self.figures.iter().copied().fold(f64::NAN, f64::max)
    }
}

/// Runs `step` and returns its duration and result.
pub fn timed<T>(step: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let began = Instant::now();
    let value = step()?;
    Ok((began.elapsed(), value))
}

pub fn print(rows: &[Row]) {
    println!("{:58}{:>10}{:>10}{:>10}{:>7}", "", "median", "worst", "limit", "runs");
    for row in rows {
        let limit = row.limit.map_or(String::new(), |limit| format!("{limit} {}", row.unit));
        let exceeded = if row.exceeds_limit() { "  exceeded" } else { "" };
        let (median, worst) = (format!("{:.1} {}", row.median(), row.unit), format!("{:.1} {}", row.worst(), row.unit));
        println!("{:58}{median:>10}{worst:>10}{limit:>10}{:>7}{exceeded}", row.name, row.figures.len());
    }
    println!();
}
