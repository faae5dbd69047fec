//! The table.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::cases::Measured;

/// One way of doing the case.
pub struct Row {
    pub name: &'static str,
    pub measured: Measured,
    /// How near its picture is to ours, in dB.
    pub away: Option<f64>,
}

/// Prints the rows; each but the first with the first's figures in ratio to its own.
pub fn print(rows: &[Row]) {
    println!("{:22}{:>9}{:>10}{:>10}{:>10}", "", "load s", "step s", "decode s", "peak GB");
    for row in rows {
        println!("{:22}{}", row.name, columns(figures(&row.measured)));
    }
    let [ours, others @ ..] = rows else { return };
    for row in others {
        let ratios: Vec<f64> =
            figures(&ours.measured).iter().zip(figures(&row.measured)).map(|(ours, theirs)| ours / theirs).collect();
        let away = row.away.map_or(String::new(), |away| format!("   pictures alike to {away:.1} dB"));
        println!("{:22}{}{away}", format!("÷ {}", row.name), columns([ratios[0], ratios[1], ratios[2], ratios[3]]));
    }
    println!();
}

fn figures(measured: &Measured) -> [f64; 4] {
    [measured.load_s, measured.step(), measured.decode_s, measured.peak_bytes as f64 / 1e9]
}

fn columns([load, step, decode, peak]: [f64; 4]) -> String {
    format!("{load:>9.2}{step:>10.3}{decode:>10.2}{peak:>10.2}")
}

/// The peak signal-to-noise ratio between two files of 8-bit pixels.
pub fn psnr(one: &Path, other: &Path) -> Result<f64> {
    let (one, other) = (std::fs::read(one)?, std::fs::read(other)?);
    ensure!(one.len() == other.len(), "the pictures have {} and {} bytes", one.len(), other.len());
    let squares: f64 = one.iter().zip(&other).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    Ok(10.0 * (255.0 * 255.0 * one.len() as f64 / squares).log10())
}
