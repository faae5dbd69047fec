//! 3×3 convolution with stride 1 and padding 1. It needs 16 multiplications for 2×2 outputs instead of 36: F(2×2, 3×3)
//! of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.
//!
//! Each 2×2 tile of the output is Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, where g is the kernel and d the 4×4 input patch around
//! the tile. Summed over the input channels, the part in brackets is a matrix product at each of the 16 positions.

mod patches;
mod weights;

pub use weights::Weights;

use pulp::{Simd, WithSimd};

use self::patches::{Segment, Segments, line_under};
use super::arch;
use super::conv::{Addends, ConvShape};
use super::threads::{self, OutputPtr};
use super::tile::{COLUMNS, Init, PADDED, ROWS, Tile, load, store};

/// Positions in a transformed 4×4 patch.
const POSITIONS: usize = 16;
/// Input channels at a time: with 48 tiles they take 384 KiB, which fit the second-level cache together with the sums.
const CHANNELS: usize = 128;
/// Output channels at a time.
const OUTPUTS: usize = 64;
/// The length of a buffer row to which 16 values can be written at any of 48 positions.
const ROW_BUFFER: usize = COLUMNS + PADDED;

/// x [batch, in, h, w] → [batch, out, h, w].
pub fn convolve(x: &[f32], weights: &Weights, addends: Addends<'_>, shape: ConvShape) -> Vec<f32> {
    let ConvShape { batch, inputs, height, width, .. } = shape;
    let outputs = weights.outputs;
    assert_eq!(x.len(), batch * inputs * height * width, "the input must have the size of its shape");
    assert_eq!(weights.inputs, inputs, "the weights must be for the input's channels");
    assert_eq!(outputs, addends.bias.len(), "each output channel needs one bias");
    let size = batch * outputs * height * width;
    assert!(addends.onto.is_none_or(|onto| onto.len() == size), "the addend must have the result's size");
    let tiles = batch * height.div_ceil(2) * width.div_ceil(2);
    // Even panels: a narrow last one would waste its tiles.
    let work = POSITIONS * tiles * outputs * inputs;
    let panel = tiles.div_ceil(threads::panels(tiles)).next_multiple_of(PADDED);
    let panels = tiles.div_ceil(panel);
    let run = threads::run_length(outputs, threads::splits(panels, work).min(outputs.div_ceil(OUTPUTS)), ROWS);
    let runs = outputs.div_ceil(run);
    let fill = |out: OutputPtr| {
        threads::for_each(panels * runs, work, |task| {
            let (first, outputs_from) = (task / runs * panel, task % runs * run);
            let columns = panel.min(tiles - first).next_multiple_of(PADDED);
            threads::with_scratch(POSITIONS * columns * (CHANNELS.min(inputs) + OUTPUTS), |scratch| {
                let (patches, sums) = scratch.split_at_mut(POSITIONS * columns * CHANNELS.min(inputs));
                arch().dispatch(Panel {
                    x,
                    weights,
                    addends,
                    shape,
                    tiles: first..tiles.min(first + panel),
                    columns,
                    outputs: outputs_from..outputs.min(outputs_from + run),
                    out,
                    patches,
                    sums,
                });
            });
        });
    };
    // SAFETY: panels × runs of channels cover the output without overlap, and each task fills its part.
    unsafe { super::filled(size, fill) }
}

/// One task: some tiles and some output channels.
struct Panel<'a> {
    x: &'a [f32],
    weights: &'a Weights,
    addends: Addends<'a>,
    shape: ConvShape,
    /// Numbered through all rows of all images.
    tiles: std::ops::Range<usize>,
    /// The number of tiles, rounded up to whole vectors.
    columns: usize,
    outputs: std::ops::Range<usize>,
    out: OutputPtr,
    /// Transformed input: [position, channel, tile].
    patches: &'a mut [f32],
    /// Products summed over input channels: [position, output, tile].
    sums: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let inputs = self.weights.inputs;
        let columns = self.columns;
        let segments = Segments::new(self.tiles.clone(), &self.shape);
        // d B of one channel: [row of the patch, column of the patch, tile].
        let mut half = [[[0f32; ROW_BUFFER]; 4]; 4];
        for first in (0..inputs).step_by(CHANNELS) {
            let channels = CHANNELS.min(inputs - first);
            for channel in 0..channels {
                self.transform_input(simd, &segments, first + channel, channel, channels, &mut half);
            }
            for output in self.outputs.clone().step_by(OUTPUTS) {
                let count = OUTPUTS.min(self.outputs.end - output);
                for position in 0..POSITIONS {
                    for row in (output..output + count).step_by(ROWS) {
                        let (block, block_rows) = self.weights.block(row, position, first);
                        let tile = Tile {
                            rows: block_rows.min(output + count - row),
                            columns,
                            depth: channels,
                            a: block.as_ptr(),
                            a_row_stride: 1,
                            a_column_stride: block_rows,
                            b: self.patches[position * channels * columns..].as_ptr(),
                            b_row_stride: columns,
                            c: self.sums[(position * OUTPUTS + row - output) * columns..].as_mut_ptr(),
                            c_row_stride: columns,
                            init: Init::Zero,
                        };
                        // SAFETY: the block has `channels` columns, and `convolve` sized the buffers for this loop.
                        unsafe { tile.run(simd) };
                    }
                }
                for row in 0..count {
                    self.transform_output(simd, &segments, row, output + row, first == 0);
                }
            }
        }
    }
}

impl Panel<'_> {
    /// Writes Bᵀ d B of one channel to `patches`. `input` numbers the channel in the image, `channel` in `patches`.
    #[inline(always)]
    fn transform_input<S: Simd>(
        &mut self,
        simd: S,
        segments: &Segments,
        input: usize,
        channel: usize,
        channels: usize,
        half: &mut [[[f32; ROW_BUFFER]; 4]; 4],
    ) {
        let ConvShape { inputs, height, width, .. } = self.shape;
        for &Segment { image, down, right, count, at } in segments.all() {
            let plane = &self.x[(image * inputs + input) * height * width..][..height * width];
            for (row, half) in half.iter_mut().enumerate() {
                let line = (2 * down + row).checked_sub(1).filter(|line| *line < height);
                let Some(line) = line else {
                    half.iter_mut().for_each(|half| half[at..at + count].fill(0.0));
                    continue;
                };
                for tile in (0..count).step_by(PADDED) {
                    let pixels = line_under(plane, line * width, width, right + tile);
                    for i in 0..PADDED {
                        let [a, b, c, d] = [pixels[2 * i], pixels[2 * i + 1], pixels[2 * i + 2], pixels[2 * i + 3]];
                        half[0][at + tile + i] = a - c;
                        half[1][at + tile + i] = b + c;
                        half[2][at + tile + i] = c - b;
                        half[3][at + tile + i] = b - d;
                    }
                }
            }
        }
        let columns = self.columns;
        let patches = &mut self.patches[..POSITIONS * channels * columns];
        #[expect(
            clippy::needless_range_loop,
            reason = "the index is a column of the patch, read from four rows at once"
        )]
        for right in 0..4 {
            for tile in (0..columns).step_by(S::F32_LANES) {
                // SAFETY: both buffers have rows of at least `columns` values, a multiple of the lanes.
                unsafe {
                    let a = load::<S>(half[0][right].as_ptr().add(tile));
                    let b = load::<S>(half[1][right].as_ptr().add(tile));
                    let c = load::<S>(half[2][right].as_ptr().add(tile));
                    let d = load::<S>(half[3][right].as_ptr().add(tile));
                    let rows = [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)];
                    for (down, vector) in rows.into_iter().enumerate() {
                        let position = 4 * down + right;
                        store::<S>(patches.as_mut_ptr().add((position * channels + channel) * columns + tile), vector);
                    }
                }
            }
        }
    }

    /// Computes Aᵀ m A for the tiles of one output channel and writes them to the output. The `first` pass sets the
    /// output including the addends; later passes add to it. `row` numbers the channel in `sums`.
    #[inline(always)]
    fn transform_output<S: Simd>(&self, simd: S, segments: &Segments, row: usize, output: usize, first: bool) {
        let ConvShape { height, width, .. } = self.shape;
        let columns = self.columns;
        assert!(self.sums.len() >= POSITIONS * OUTPUTS * columns && row < OUTPUTS);
        // The 2×2 outputs of each tile: [row, column, tile].
        let mut results = [[[0f32; COLUMNS]; 2]; 2];
        for tile in (0..columns).step_by(S::F32_LANES) {
            // SAFETY: for each position and output, `sums` has `columns` values, a multiple of the lanes.
            unsafe {
                let sums = self.sums[row * columns + tile..].as_ptr();
                let stride = OUTPUTS * columns;
                let mut right = [[simd.splat_f32s(0.0); 2]; 4];
                for (down, right) in right.iter_mut().enumerate() {
                    let a = load::<S>(sums.add(4 * down * stride));
                    let b = load::<S>(sums.add((4 * down + 1) * stride));
                    let c = load::<S>(sums.add((4 * down + 2) * stride));
                    let d = load::<S>(sums.add((4 * down + 3) * stride));
                    *right = [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)];
                }
                for i in 0..2 {
                    let [a, b, c, d] = [right[0][i], right[1][i], right[2][i], right[3][i]];
                    let above = simd.add_f32s(simd.add_f32s(a, b), c);
                    let below = simd.sub_f32s(simd.sub_f32s(b, c), d);
                    store::<S>(results[0][i].as_mut_ptr().add(tile), above);
                    store::<S>(results[1][i].as_mut_ptr().add(tile), below);
                }
            }
        }
        let bias = if first { self.addends.bias[output] } else { 0.0 };
        for (below, [left, right]) in results.iter().enumerate() {
            let mut line = [0f32; 2 * COLUMNS];
            for i in 0..COLUMNS {
                line[2 * i] = left[i] + bias;
                line[2 * i + 1] = right[i] + bias;
            }
            for segment in segments.all() {
                let at = 2 * segment.down + below;
                if at >= height {
                    continue;
                }
                let line = &line[2 * segment.at..][..(2 * segment.count).min(width - 2 * segment.right)];
                let plane = segment.image * self.weights.outputs + output;
                let offset = (plane * height + at) * width + 2 * segment.right;
                let to = self.out.get().wrapping_add(offset);
                // SAFETY: only this task writes this part of the output. It is within bounds: the row is below the
                // height, and the line is cut at the width. The first pass writes it before later ones add to it.
                unsafe {
                    match self.addends.onto {
                        Some(onto) if first => {
                            for (i, (value, onto)) in line.iter().zip(&onto[offset..]).enumerate() {
                                *to.add(i) = value + onto;
                            }
                        }
                        None if first => std::ptr::copy_nonoverlapping(line.as_ptr(), to, line.len()),
                        _ => {
                            for (i, value) in line.iter().enumerate() {
                                *to.add(i) += value;
                            }
                        }
                    }
                }
            }
        }
    }
}
