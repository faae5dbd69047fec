//! The table of results.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::cases::Measured;

/// The results of one program.
pub struct Row {
    pub name: &'static str,
    pub measured: Measured,
    /// The PSNR between its picture and ours, in dB.
    pub psnr: Option<f64>,
}

/// Prints the rows, then the first row's figures divided by those of each other row.
pub fn print(rows: &[Row]) {
    println!("{:22}{:>9}{:>10}{:>10}{:>10}", "", "load s", "step s", "decode s", "peak GB");
    for row in rows {
        println!("{:22}{}", row.name, columns(figures(&row.measured)));
    }
    let [ours, others @ ..] = rows else { return };
    for row in others {
        let ratios: Vec<f64> =
            figures(&ours.measured).iter().zip(figures(&row.measured)).map(|(ours, theirs)| ours / theirs).collect();
        let psnr = row.psnr.map_or(String::new(), |psnr| format!("   PSNR {psnr:.1} dB"));
        println!("{:22}{}{psnr}", format!("÷ {}", row.name), columns([ratios[0], ratios[1], ratios[2], ratios[3]]));
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
