//! Convolution as a product: for some output pixels at a time, the inputs under the kernel are copied side by side.

use pulp::{Simd, WithSimd};

use super::arch;
use super::pack::Left;
use super::threads::{self, Shared};
use super::tile::{COLUMNS, PADDED, ROWS, Start, Tile};

/// Rows of copied inputs at a time: 576 × 96 numbers are 216 KiB, which stay in the second-level cache.
const DEPTH: usize = 576;
/// Output pixels at a time: two tiles wide, so that the kernels pass half as often.
const WIDE: usize = 2 * COLUMNS;

/// Sizes of a convolution with a square kernel.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub batch: usize,
    pub inputs: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    /// Height and width of the output; none where the kernel does not fit.
    pub fn output(&self) -> Option<(usize, usize)> {
        let size = |input: usize| Some((input + 2 * self.padding).checked_sub(self.kernel)? / self.stride + 1);
        Some((size(self.height)?, size(self.width)?))
    }
}

/// What is added to a convolution.
#[derive(Clone, Copy)]
pub struct Plus<'a> {
    /// [out]
    pub bias: &'a [f32],
    /// Shaped as the result.
    pub onto: Option<&'a [f32]>,
}

/// x [batch, in, h, w] under the kernels [out, in · kernel²] → [batch, out, h', w'].
pub fn convolve(
    x: &[f32],
    kernels: &Left,
    plus: Plus<'_>,
    geometry: Geometry,
    (high, wide): (usize, usize),
) -> Vec<f32> {
    let Geometry { batch, inputs, height, width, kernel, .. } = geometry;
    assert_eq!(x.len(), batch * inputs * height * width, "an input as large as its shape");
    assert_eq!(kernels.depth, inputs * kernel * kernel, "kernels for this many inputs");
    assert_eq!(kernels.rows, plus.bias.len(), "one bias for each output");
    let (pixels, outputs) = (high * wide, kernels.rows);
    assert!(plus.onto.is_none_or(|onto| onto.len() == batch * outputs * pixels), "something of the result's size");
    let work = batch * pixels * outputs * kernels.depth;
    // Panels of one width for all, lest the last be a sliver.
    let panels = pixels.div_ceil(WIDE);
    let panel = pixels.div_ceil(panels).next_multiple_of(PADDED);
    let panels = pixels.div_ceil(panel);
    let run = threads::run_length(outputs, threads::splits(batch * panels, work).min(outputs.div_ceil(64)), ROWS);
    let runs = outputs.div_ceil(run);
    let fill = |out: Shared| {
        threads::for_each(batch * panels * runs, work, |task| {
            let (image, first, outputs_from) = (task / runs / panels, task / runs % panels * panel, task % runs * run);
            let columns = panel.min(pixels - first);
            let rows = DEPTH.min(kernels.depth).next_multiple_of(kernel * kernel);
            threads::with_scratch(rows * panel, |copied| {
                arch().dispatch(Panel {
                    x: &x[image * inputs * height * width..][..inputs * height * width],
                    kernels,
                    plus: Plus { onto: plus.onto.map(|onto| &onto[image * outputs * pixels..]), ..plus },
                    geometry,
                    width: wide,
                    pixels: first..first + columns,
                    outputs: outputs_from..outputs.min(outputs_from + run),
                    out: Shared::new(out.get().wrapping_add(image * outputs * pixels)),
                    out_row: pixels,
                    copied,
                });
            });
        });
    };
    // SAFETY: panels × runs of outputs × images cover the output without overlap, and each task writes all of its own.
    unsafe { super::filled(batch * outputs * pixels, fill) }
}

/// Some pixels of one image under some of the kernels.
struct Panel<'a> {
    x: &'a [f32],
    kernels: &'a Left,
    plus: Plus<'a>,
    geometry: Geometry,
    /// Of the output.
    width: usize,
    pixels: std::ops::Range<usize>,
    outputs: std::ops::Range<usize>,
    out: Shared,
    out_row: usize,
    copied: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let area = self.geometry.kernel * self.geometry.kernel;
        let columns = self.pixels.len();
        let padded = columns.next_multiple_of(PADDED);
        let channels = (DEPTH / area).max(1);
        for channel in (0..self.geometry.inputs).step_by(channels) {
            let channels = channels.min(self.geometry.inputs - channel);
            for (i, rows) in self.copied.chunks_exact_mut(area * padded).take(channels).enumerate() {
                self.geometry.copy(self.x, channel + i, self.width, self.pixels.clone(), rows);
            }
            for output in self.outputs.clone().step_by(ROWS) {
                let (block, high) = self.kernels.block(output, channel * area);
                let rows = high.min(self.outputs.end - output);
                let start = if channel == 0 { Start::PerRow(self.plus.bias[output..].as_ptr()) } else { Start::Output };
                let out = self.out.get().wrapping_add(output * self.out_row + self.pixels.start);
                for column in (0..columns).step_by(COLUMNS) {
                    let tile = Tile {
                        rows,
                        columns: COLUMNS.min(columns - column),
                        depth: channels * area,
                        a: block.as_ptr(),
                        a_row: 1,
                        a_step: high,
                        b: self.copied[column..].as_ptr(),
                        b_step: padded,
                        c: out.wrapping_add(column),
                        c_row: self.out_row,
                        start,
                    };
                    // SAFETY: block and copied inputs hold `depth` rows, the latter padded; this part of the output
                    // is this task's alone, and was written before it is read as a start.
                    unsafe { tile.run(simd) };
                }
                if let Some(onto) = self.plus.onto
                    && channel + channels == self.geometry.inputs
                {
                    for row in 0..rows {
                        let onto = &onto[(output + row) * self.out_row + self.pixels.start..][..columns];
                        // SAFETY: a row of what the tiles just wrote.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.add(row * self.out_row), columns) };
                        out.iter_mut().zip(onto).for_each(|(number, onto)| *number += onto);
                    }
                }
            }
        }
    }
}

impl Geometry {
    /// Copies what lies under the kernel at these output pixels, of one input channel: a row for each place of the
    /// kernel, zeros outside of the picture.
    #[inline(always)]
    fn copy(&self, x: &[f32], channel: usize, wide: usize, pixels: std::ops::Range<usize>, rows: &mut [f32]) {
        let Self { height, width, kernel, stride, padding, .. } = *self;
        let plane = &x[channel * height * width..][..height * width];
        let padded = pixels.len().next_multiple_of(PADDED);
        if kernel == 1 && stride == 1 && padding == 0 {
            rows[..pixels.len()].copy_from_slice(&plane[pixels.clone()]);
            rows[pixels.len()..].fill(0.0);
            return;
        }
        for (place, row) in rows.chunks_exact_mut(padded).enumerate() {
            let (down, right) = (place / kernel, place % kernel);
            row[pixels.len()..].fill(0.0);
            let mut at = pixels.start;
            while at < pixels.end {
                let (line, from) = (at / wide, at % wide);
                let to = wide.min(from + pixels.end - at);
                let target = &mut row[at - pixels.start..][..to - from];
                at += to - from;
                match (line * stride + down).checked_sub(padding).filter(|line| *line < height) {
                    None => target.fill(0.0),
                    Some(line) => take(&plane[line * width..][..width], target, from, right, stride, padding),
                }
            }
        }
    }
}

/// target[i] = line[(from + i) · stride + right − padding], zero outside of the line.
#[inline(always)]
fn take(line: &[f32], target: &mut [f32], from: usize, right: usize, stride: usize, padding: usize) {
    // The first and the first no longer valid i.
    let begin = (padding.saturating_sub(right)).div_ceil(stride).saturating_sub(from).min(target.len());
    let end = (line.len() + padding).saturating_sub(right).div_ceil(stride).saturating_sub(from);
    let end = end.clamp(begin, target.len());
    target[..begin].fill(0.0);
    target[end..].fill(0.0);
    if begin == end {
        return;
    }
    let first = (from + begin) * stride + right - padding;
    if stride == 1 {
        target[begin..end].copy_from_slice(&line[first..][..end - begin]);
    } else {
        for (number, from) in target[begin..end].iter_mut().zip(line[first..].iter().step_by(stride)) {
            *number = *from;
        }
    }
}
