//! Convolution as a matrix product (im2col): for a panel of output pixels at a time, the inputs under the kernel are
//! copied side by side and multiplied by the weights.

use pulp::{Simd, WithSimd};

use super::arch;
use super::conv::{Addends, ConvShape};
use super::pack::PackedLeft;
use super::threads::{self, OutputPtr};
use super::tile::{COLUMNS, Init, PADDED, ROWS, Tile};

/// Rows of copied inputs at a time: 576 × 96 values are 216 KiB, which stay in the second-level cache.
const DEPTH: usize = 576;
/// Output pixels at a time: two tiles wide, so that the weights are read half as often.
const MAX_PANEL: usize = 2 * COLUMNS;

/// x [batch, in, h, w], weights [out, in · kernel²] → [batch, out, out_height, out_width].
pub fn convolve(
    x: &[f32],
    weights: &PackedLeft,
    addends: Addends<'_>,
    shape: ConvShape,
    (out_height, out_width): (usize, usize),
) -> Vec<f32> {
    let ConvShape { batch, inputs, height, width, kernel, .. } = shape;
    assert_eq!(x.len(), batch * inputs * height * width, "the input must have the size of its shape");
    assert_eq!(weights.depth, inputs * kernel * kernel, "the weights must be for the input's channels");
    assert_eq!(weights.rows, addends.bias.len(), "each output channel needs one bias");
    let (pixels, outputs) = (out_height * out_width, weights.rows);
    let onto_fits = addends.onto.is_none_or(|onto| onto.len() == batch * outputs * pixels);
    assert!(onto_fits, "the addend must have the result's size");
    let work = batch * pixels * outputs * weights.depth;
    // Even panels: a narrow last one would waste its tiles.
    let panels = pixels.div_ceil(MAX_PANEL);
    let panel = pixels.div_ceil(panels).next_multiple_of(PADDED);
    let panels = pixels.div_ceil(panel);
    let run = threads::run_length(outputs, threads::splits(batch * panels, work).min(outputs.div_ceil(64)), ROWS);
    let runs = outputs.div_ceil(run);
    let fill = |out: OutputPtr| {
        threads::for_each(batch * panels * runs, work, |task| {
            let (image, first, outputs_from) = (task / runs / panels, task / runs % panels * panel, task % runs * run);
            let columns = panel.min(pixels - first);
            let rows = DEPTH.min(weights.depth).next_multiple_of(kernel * kernel);
            threads::with_scratch(rows * panel, |copied| {
                arch().dispatch(Panel {
                    x: &x[image * inputs * height * width..][..inputs * height * width],
                    weights,
                    addends: Addends { onto: addends.onto.map(|onto| &onto[image * outputs * pixels..]), ..addends },
                    shape,
                    out_width,
                    pixels: first..first + columns,
                    outputs: outputs_from..outputs.min(outputs_from + run),
                    out: OutputPtr::new(out.get().wrapping_add(image * outputs * pixels)),
                    out_row: pixels,
                    copied,
                });
            });
        });
    };
    // SAFETY: images × panels × runs of channels cover the output without overlap, and each task fills its part.
    unsafe { super::filled(batch * outputs * pixels, fill) }
}

/// One task: some output pixels and some output channels of one image.
struct Panel<'a> {
    x: &'a [f32],
    weights: &'a PackedLeft,
    addends: Addends<'a>,
    shape: ConvShape,
    out_width: usize,
    pixels: std::ops::Range<usize>,
    outputs: std::ops::Range<usize>,
    out: OutputPtr,
    /// From one output channel to the next.
    out_row: usize,
    /// Scratch memory for [`ConvShape::copy_patches`].
    copied: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let area = self.shape.kernel * self.shape.kernel;
        let columns = self.pixels.len();
        let padded = columns.next_multiple_of(PADDED);
        let channels = (DEPTH / area).max(1);
        for channel in (0..self.shape.inputs).step_by(channels) {
            let channels = channels.min(self.shape.inputs - channel);
            for (i, rows) in self.copied.chunks_exact_mut(area * padded).take(channels).enumerate() {
                self.shape.copy_patches(self.x, channel + i, self.out_width, self.pixels.clone(), rows);
            }
            for output in self.outputs.clone().step_by(ROWS) {
                let (block, block_rows) = self.weights.block(output, channel * area);
                let rows = block_rows.min(self.outputs.end - output);
                let bias = self.addends.bias[output..].as_ptr();
                let init = if channel == 0 { Init::PerRow(bias) } else { Init::Output };
                let out = self.out.get().wrapping_add(output * self.out_row + self.pixels.start);
                for column in (0..columns).step_by(COLUMNS) {
                    let tile = Tile {
                        rows,
                        columns: COLUMNS.min(columns - column),
                        depth: channels * area,
                        a: block.as_ptr(),
                        a_row_stride: 1,
                        a_column_stride: block_rows,
                        b: self.copied[column..].as_ptr(),
                        b_row_stride: padded,
                        c: out.wrapping_add(column),
                        c_row_stride: self.out_row,
                        init,
                    };
                    // SAFETY: block and copied inputs hold `depth` rows, and the copied inputs are padded. Only this
                    // task writes this part of the output, and the first pass writes it before later ones read it.
                    unsafe { tile.run(simd) };
                }
                if let Some(onto) = self.addends.onto
                    && channel + channels == self.shape.inputs
                {
                    for row in 0..rows {
                        let onto = &onto[(output + row) * self.out_row + self.pixels.start..][..columns];
                        // SAFETY: part of a row that the tiles just wrote.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.add(row * self.out_row), columns) };
                        out.iter_mut().zip(onto).for_each(|(value, onto)| *value += onto);
                    }
                }
            }
        }
    }
}

impl ConvShape {
    /// Copies what lies under the kernel at these output pixels, from one input channel. Each position in the kernel
    /// gets one row of `rows`; values outside the image are 0.
    #[inline(always)]
    fn copy_patches(
        &self,
        x: &[f32],
        channel: usize,
        out_width: usize,
        pixels: std::ops::Range<usize>,
        rows: &mut [f32],
    ) {
        let Self { height, width, kernel, stride, padding, .. } = *self;
        let plane = &x[channel * height * width..][..height * width];
        let padded = pixels.len().next_multiple_of(PADDED);
        if kernel == 1 && stride == 1 && padding == 0 {
            rows[..pixels.len()].copy_from_slice(&plane[pixels.clone()]);
            rows[pixels.len()..].fill(0.0);
            return;
        }
        for (position, row) in rows.chunks_exact_mut(padded).enumerate() {
            let (down, right) = (position / kernel, position % kernel);
            row[pixels.len()..].fill(0.0);
            let mut at = pixels.start;
            while at < pixels.end {
                let (line, from) = (at / out_width, at % out_width);
                let to = out_width.min(from + pixels.end - at);
                let target = &mut row[at - pixels.start..][..to - from];
                at += to - from;
                match (line * stride + down).checked_sub(padding).filter(|line| *line < height) {
                    None => target.fill(0.0),
                    Some(line) => copy_line(&plane[line * width..][..width], target, from, right, stride, padding),
                }
            }
        }
    }
}

/// target[i] = line[(from + i) · stride + right − padding], or 0 outside the line.
#[inline(always)]
fn copy_line(line: &[f32], target: &mut [f32], from: usize, right: usize, stride: usize, padding: usize) {
    // The first i inside the line, and the first one after it.
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
        for (value, from) in target[begin..end].iter_mut().zip(line[first..].iter().step_by(stride)) {
            *value = *from;
        }
    }
}
