//! Image resizing, bit for bit like Pillow, so that a reference gives the same features as in Python (Pillow,
//! `src/libImaging/Resample.c`, the 8-bit path).
//!
//! Columns and rows are resampled in separate passes. The filter widens when the image shrinks. Weights are integers with
//! 22 fractional bits, and the result of the first pass is rounded to 8 bits.

use std::f64::consts::PI;

use image::RgbImage;
use rayon::prelude::*;

/// Fractional bits of the weights. Of 32 bits, 8 hold the result and 2 leave room for filters that overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;
const CHANNELS: usize = 3;

/// Pillow's antialiasing filters, named as in `PIL.Image.Resampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Bilinear,
    Bicubic,
    Lanczos,
}

/// A range of columns or rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub length: usize,
}

/// Scales `picture` to `width`×`height` and returns the part in `columns` and `rows`; only this part is computed.
///
/// All sizes must be at least 1, and the spans must be inside the scaled image.
pub(super) fn resize(
    picture: &RgbImage,
    (width, height): (usize, usize),
    (columns, rows): (Span, Span),
    filter: Filter,
) -> RgbImage {
    let (from_width, from_height) = (picture.width() as usize, picture.height() as usize);
    let across = weights(from_width, width, columns, filter);
    let down = weights(from_height, height, rows, filter);
    let lines = picture.as_raw();
    let result = if rows_first((from_width, from_height), (width, height)) {
        let shortened = combine_rows(lines, from_width, 0, &down);
        combine_columns(&shortened, from_width, &across)
    } else {
        // Skip the rows that do not contribute to the result.
        let first = down.iter().map(|sum| sum.start).min().unwrap_or(0);
        let end = down.iter().map(|sum| sum.start + sum.weights.len()).max().unwrap_or(0);
        let row = from_width * CHANNELS;
        let narrowed = combine_columns(&lines[first * row..end * row], from_width, &across);
        combine_rows(&narrowed, columns.length, first, &down)
    };
    // Both passes return buffers of exactly this size.
    RgbImage::from_raw(columns.length as u32, rows.length as u32, result).expect("three bytes per pixel")
}

/// Whether Pillow 13 and later resample the rows first, which they do when it saves work. The order affects the result,
/// because the first pass is rounded.
fn rows_first(from: (usize, usize), to: (usize, usize)) -> bool {
    // Image sides cannot overflow i64.
    let (fewer_columns, fewer_rows) = (from.0 as i64 - to.0 as i64, from.1 as i64 - to.1 as i64);
    fewer_rows > 0 && fewer_rows > 2 * fewer_columns
}

/// Turns lines of `width` pixels into lines of `sums.len()` pixels.
fn combine_columns(lines: &[u8], width: usize, sums: &[WeightedSum]) -> Vec<u8> {
    let (from_row, row) = (width * CHANNELS, sums.len() * CHANNELS);
    let mut result = vec![0u8; lines.len() / from_row * row];
    result.par_chunks_mut(row).zip(lines.par_chunks(from_row)).for_each(|(to, from)| {
        for (pixel, sum) in to.chunks_exact_mut(CHANNELS).zip(sums) {
            pixel.copy_from_slice(&sum.of(from.chunks_exact(CHANNELS).skip(sum.start)));
        }
    });
    result
}

/// Turns lines of `width` pixels into `sums.len()` lines. `first` is the image row of the first line.
fn combine_rows(lines: &[u8], width: usize, first: usize, sums: &[WeightedSum]) -> Vec<u8> {
    let row = width * CHANNELS;
    let mut result = vec![0u8; sums.len() * row];
    result.par_chunks_mut(row).zip(sums).for_each(|(to, sum)| {
        let from = &lines[(sum.start - first) * row..];
        for (x, pixel) in to.chunks_exact_mut(CHANNELS).enumerate() {
            pixel.copy_from_slice(&sum.of(from.chunks_exact(row).map(|line| &line[x * CHANNELS..][..CHANNELS])));
        }
    });
    result
}

/// How to compute one pixel of the result: a weighted sum of the pixels from `start` on.
struct WeightedSum {
    start: usize,
    weights: Vec<i32>,
}

impl WeightedSum {
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

/// The sums for the pixels of `span` when `from` pixels become `to`: Pillow's `precompute_coeffs` and
/// `normalize_coeffs_8bpc`.
fn weights(from: usize, to: usize, span: Span, filter: Filter) -> Vec<WeightedSum> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = |index: usize| {
        let center = (index as f64 + 0.5) * scale;
        // Casts truncate as in C. A negative start saturates to 0, like in Pillow.
        let start = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let shares: Vec<f64> = (start..end).map(|x| filter.at((x as f64 - center + 0.5) * (1.0 / stretch))).collect();
        let total: f64 = shares.iter().sum();
        let fixed = |share: f64| {
            let share = if total == 0.0 { share } else { share / total };
            (share * f64::from(1 << PRECISION_BITS) + 0.5f64.copysign(share)) as i32
        };
        WeightedSum { start, weights: shares.into_iter().map(fixed).collect() }
    };
    (span.start..span.start + span.length).map(one).collect()
}

impl Filter {
    /// The distance beyond which the filter is 0, in pixels, for an image that does not shrink.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The filter's value at distance `x` from the centre.
    fn at(self, x: f64) -> f64 {
        let d = x.abs();
        match self {
            Self::Bilinear if d < 1.0 => 1.0 - d,
            // Cubic convolution: Keys, "Cubic convolution interpolation for digital image processing", 1981.
            Self::Bicubic if d < 1.0 => ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0,
            Self::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * A,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

/// The parameter a of cubic convolution.
const A: f64 = -0.5;

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([0, 1, 2].map(|c| ((x * x * 37 + y * 91 + c * 53 + x * y * 11) % 256) as u8))
        })
    }

    fn whole(width: usize, height: usize) -> (Span, Span) {
        (Span { start: 0, length: width }, Span { start: 0, length: height })
    }

    /// The expected values are the second row of each result from Pillow 13.0.0.
    #[test]
    fn resizing_matches_pillow_bit_for_bit() {
        let smaller = [
            (Filter::Bilinear, [149, 130, 130, 134, 136, 138, 129, 142, 129, 127, 148, 123]),
            (Filter::Bicubic, [152, 129, 129, 138, 134, 135, 127, 138, 133, 131, 150, 122]),
            (Filter::Lanczos, [150, 128, 132, 146, 131, 127, 124, 135, 136, 133, 148, 124]),
        ];
        for (filter, expected) in smaller {
            let scaled = resize(&picture(9, 5), (4, 3), whole(4, 3), filter);
            assert_eq!(scaled.as_raw()[12..24], expected, "{filter:?}");
        }
        let larger = [
            (Filter::Bilinear, [46, 99, 152, 63, 116, 169, 88, 141, 194, 82, 135, 188, 77, 130, 183]),
            (Filter::Bicubic, [36, 86, 155, 52, 111, 174, 79, 147, 200, 78, 137, 189, 76, 125, 175]),
            (Filter::Lanczos, [24, 73, 160, 42, 109, 183, 69, 154, 207, 77, 140, 190, 80, 117, 165]),
        ];
        for (filter, expected) in larger {
            let scaled = resize(&picture(3, 4), (5, 6), whole(5, 6), filter);
            assert_eq!(scaled.as_raw()[15..30], expected, "{filter:?}");
        }
    }

    /// Pillow 13.0.0 on a picture that gets much lower and wider, which an older one scales to other bytes.
    #[test]
    fn rows_come_first_where_they_do_in_pillow() {
        let scaled = resize(&picture(5, 31), (7, 3), whole(7, 3), Filter::Bicubic);
        let expected =
            [132, 130, 124, 133, 134, 132, 136, 136, 135, 137, 133, 128, 108, 134, 135, 108, 134, 123, 123, 134, 105];
        assert_eq!(scaled.as_raw()[21..42], expected);
    }

    #[test]
    fn a_part_equals_the_same_part_of_the_whole() {
        for (width, height) in [(40, 23), (9, 90), (60, 20)] {
            let all = resize(&picture(31, 57), (width, height), whole(width, height), Filter::Bicubic);
            let part = (Span { start: 3, length: 5 }, Span { start: 7, length: 11 });
            let cut = resize(&picture(31, 57), (width, height), part, Filter::Bicubic);
            let expected = image::imageops::crop_imm(&all, 3, 7, 5, 11).to_image();
            assert_eq!(cut.as_raw(), expected.as_raw());
        }
    }

    #[test]
    fn resizing_to_the_same_size_changes_nothing() {
        for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            assert_eq!(resize(&picture(7, 5), (7, 5), whole(7, 5), filter), picture(7, 5));
        }
    }
}
