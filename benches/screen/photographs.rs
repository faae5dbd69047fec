//! Synthetic photographs, with what makes photographs hard to compress: detail on every scale, edges and sensor noise.

use std::path::Path;

use anyhow::Result;
use image::{Rgb, RgbImage};

/// Width and height in pixels: larger than their place on the screen, as photographs are.
const SIZE: (u32, u32) = (384, 374);

/// Writes `count` photographs as PNG files.
pub fn write(folder: &Path, count: u32) -> Result<()> {
    (0..count).try_for_each(|number| Ok(photograph(number).save(folder.join(format!("{number:02}.png")))?))
}

fn photograph(number: u32) -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let light: f64 =
            (1..=7).map(|octave| smooth(number, x, y, 1 << octave, octave) * f64::from(1 << octave).sqrt()).sum();
        let edge = if smooth(number, x, y, 96, 99) > 0.05 { 40.0 } else { -40.0 };
        Rgb([0, 1, 2].map(|channel| {
            let tint = smooth(number, x, y, 128, 200 + channel) * 90.0;
            let grain = noise(number, x, y, 300 + channel) * 12.0;
            (120.0 + 9.0 * light + edge + tint + grain).clamp(0.0, 255.0) as u8
        }))
    })
}

/// Value noise: random values on a grid of `scale` pixels, interpolated between them.
fn smooth(number: u32, x: u32, y: u32, scale: u32, salt: u32) -> f64 {
    let (left, top) = (x / scale, y / scale);
    let (u, v) = (f64::from(x % scale) / f64::from(scale), f64::from(y % scale) / f64::from(scale));
    let row = |y: u32| noise(number, left, y, salt) * (1.0 - u) + noise(number, left + 1, y, salt) * u;
    row(top) * (1.0 - v) + row(top + 1) * v
}

/// A reproducible value from −0.5 to 0.5 (SplitMix64, Steele, Lea and Flood 2014, seeded with the position).
fn noise(number: u32, x: u32, y: u32, salt: u32) -> f64 {
    let place = u64::from(number) << 48 ^ u64::from(salt) << 32 ^ u64::from(x) << 16 ^ u64::from(y);
    let mut bits = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ bits >> 31) as f64 / u64::MAX as f64 - 0.5
}
