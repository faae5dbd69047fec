//! Pictures scaled exactly as Pillow scales them, to the bit, so that a reference has the features it has in Python
//! (Pillow, `src/libImaging/Resample.c`, the 8-bit path).
//!
//! Each side is resampled on its own, columns first, with a filter that widens where the picture shrinks. Weights are
//! integers with 22 fractional bits, and what lies between the two passes is rounded to 8 bits.

use std::f64::consts::PI;

use image::RgbImage;
use rayon::prelude::*;

/// Fractional bits of the weights: 8 bits are the result's, 2 leave room for filters that overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;
const CHANNELS: usize = 3;

/// Pillow's filters that antialias, by the names of `PIL.Image.Resampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Bilinear,
    Bicubic,
    Lanczos,
}

/// A part of a picture: a first column (or row), and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub length: usize,
}

/// `picture` scaled to `width`×`height`, of which only `columns` and `rows` are computed.
///
/// All sizes at least 1, and the spans inside the scaled picture.
pub(super) fn resize(
    picture: &RgbImage,
    (width, height): (usize, usize),
    (columns, rows): (Span, Span),
    filter: Filter,
) -> RgbImage {
    let (from_width, from_height) = (picture.width() as usize, picture.height() as usize);
    let across = weights(from_width, width, columns, filter);
    let down = weights(from_height, height, rows, filter);

    // Rows that some row of the result is made of.
    let first = down.iter().map(|sum| sum.start).min().unwrap_or(0);
    let end = down.iter().map(|sum| sum.start + sum.weights.len()).max().unwrap_or(0);
    let from_row = from_width * CHANNELS;
    let row = columns.length * CHANNELS;

    let mut narrowed = vec![0u8; (end - first) * row];
    narrowed.par_chunks_mut(row).zip(picture.as_raw()[first * from_row..].par_chunks(from_row)).for_each(
        |(to, from)| {
            for (pixel, sum) in to.chunks_exact_mut(CHANNELS).zip(&across) {
                pixel.copy_from_slice(&sum.of(from.chunks_exact(CHANNELS).skip(sum.start)));
            }
        },
    );

    let mut result = vec![0u8; rows.length * row];
    result.par_chunks_mut(row).zip(&down).for_each(|(to, sum)| {
        let from = &narrowed[(sum.start - first) * row..];
        for (x, pixel) in to.chunks_exact_mut(CHANNELS).enumerate() {
            pixel.copy_from_slice(&sum.of(from.chunks_exact(row).map(|line| &line[x * CHANNELS..][..CHANNELS])));
        }
    });
    // The buffer was made with just this size.
    RgbImage::from_raw(columns.length as u32, rows.length as u32, result).expect("as many bytes as pixels")
}

/// One pixel of the result: a weighted sum of pixels from `start` on.
struct Sum {
    start: usize,
    weights: Vec<i32>,
}

impl Sum {
    fn of<'a>(&self, pixels: impl Iterator<Item = &'a [u8]>) -> [u8; CHANNELS] {
        let mut sums = [1i32 << (PRECISION_BITS - 1); CHANNELS];
        for (pixel, weight) in pixels.zip(&self.weights) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(*value) * weight;
            }
        }
        sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8)
    }
}

/// `precompute_coeffs` and `normalize_coeffs_8bpc`: how each pixel of `span` is made when `from` pixels become `to`.
fn weights(from: usize, to: usize, span: Span, filter: Filter) -> Vec<Sum> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = |index: usize| {
        let center = (index as f64 + 0.5) * scale;
        // Casts truncate as in C; a negative start saturates to 0, where Pillow sets it.
        let start = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let shares: Vec<f64> = (start..end).map(|x| filter.at((x as f64 - center + 0.5) * (1.0 / stretch))).collect();
        let total: f64 = shares.iter().sum();
        let fixed = |share: f64| {
            let share = if total == 0.0 { share } else { share / total };
            (share * f64::from(1 << PRECISION_BITS) + 0.5f64.copysign(share)) as i32
        };
        Sum { start, weights: shares.into_iter().map(fixed).collect() }
    };
    (span.start..span.start + span.length).map(one).collect()
}

impl Filter {
    /// Beyond this distance the filter is 0, in pixels of a picture that does not shrink.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        let d = x.abs();
        match self {
            Self::Bilinear if d < 1.0 => 1.0 - d,
            // Keys' cubic convolution.
            Self::Bicubic if d < 1.0 => ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0,
            Self::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * A,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

const A: f64 = -0.5;

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}
