//! 3×3 convolution, stride 1, padding 1, with 16 multiplications for 2×2 outputs instead of 36: F(2×2, 3×3) of
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.
//!
//! For each 2×2 tile of the output, Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, where d is the 4×4 patch of the input around it
//! and g the kernel. Summed over the input channels the middle is one product for each of the 16 places.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::arch;
use super::direct::{Geometry, Plus};
use super::memory;
use super::threads::{self, Shared};
use super::tile::{COLUMNS, PADDED, ROWS, Start, Tile, load, store};

/// Places of a transformed patch.
const PLACES: usize = 16;
/// Input channels at a time: with 48 tiles 384 KiB, in the second-level cache along with the sums.
const CHANNELS: usize = 128;
/// Output channels at a time.
const OUTPUTS: usize = 64;
/// Row of a buffer that vectors of up to 16 are written to from any of 48 places.
const LONG: usize = COLUMNS + PADDED;

/// Kernels as G g Gᵀ: blocks of 8 outputs (fewer in the last), in each for every place a matrix [in, 8].
pub struct Kernels {
    pub inputs: usize,
    pub outputs: usize,
    numbers: Vec<f32>,
}

impl Kernels {
    /// The kernels as they come, [out, in, 3, 3].
    pub fn new(from: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(from.len(), 9 * outputs * inputs, "nine numbers for each pair of channels");
        let mut numbers = memory::zeros(PLACES * outputs * inputs);
        let blocks = numbers.par_chunks_mut(PLACES * ROWS * inputs).zip(from.par_chunks(9 * ROWS * inputs));
        blocks.for_each(|(numbers, from)| {
            let high = from.len() / (9 * inputs);
            for input in 0..inputs {
                for row in 0..high {
                    let kernel = from[(row * inputs + input) * 9..].first_chunk().expect("nine numbers each");
                    for (place, number) in transformed(kernel).as_flattened().iter().enumerate() {
                        numbers[(place * inputs + input) * high + row] = *number;
                    }
                }
            }
        });
        Self { inputs, outputs, numbers }
    }

    /// The block of outputs that begins at `row` (a multiple of 8), at one place, from input `first` on; and how many
    /// outputs it has.
    fn block(&self, row: usize, place: usize, first: usize) -> (&[f32], usize) {
        let high = ROWS.min(self.outputs - row);
        let at = PLACES * row * self.inputs + place * high * self.inputs;
        (&self.numbers[at..][first * high..self.inputs * high], high)
    }
}

/// G g Gᵀ of one kernel.
fn transformed(kernel: &[f32; 9]) -> [[f32; 4]; 4] {
    let line = |a: f32, b: f32, c: f32| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    let rows = [0, 3, 6].map(|row| line(kernel[row], kernel[row + 1], kernel[row + 2]));
    let columns = [0, 1, 2, 3].map(|i| line(rows[0][i], rows[1][i], rows[2][i]));
    [0, 1, 2, 3].map(|down| columns.map(|column| column[down]))
}

/// x [batch, in, h, w] → [batch, out, h, w].
pub fn convolve(x: &[f32], kernels: &Kernels, plus: Plus<'_>, geometry: Geometry) -> Vec<f32> {
    let Geometry { batch, inputs, height, width, .. } = geometry;
    let outputs = kernels.outputs;
    assert_eq!(x.len(), batch * inputs * height * width, "an input as large as its shape");
    assert_eq!(kernels.inputs, inputs, "kernels for this many inputs");
    assert_eq!(outputs, plus.bias.len(), "one bias for each output");
    let size = batch * outputs * height * width;
    assert!(plus.onto.is_none_or(|onto| onto.len() == size), "something of the result's size");
    let (high, wide) = (height.div_ceil(2), width.div_ceil(2));
    let tiles = batch * high * wide;
    // Panels of one width for all, lest the last be a sliver.
    let work = PLACES * tiles * outputs * inputs;
    let panel = tiles.div_ceil(threads::panels(tiles)).next_multiple_of(PADDED);
    let panels = tiles.div_ceil(panel);
    let run = threads::run_length(outputs, threads::splits(panels, work).min(outputs.div_ceil(OUTPUTS)), ROWS);
    let runs = outputs.div_ceil(run);
    let fill = |out: Shared| {
        threads::for_each(panels * runs, work, |task| {
            let (first, outputs_from) = (task / runs * panel, task % runs * run);
            let columns = panel.min(tiles - first).next_multiple_of(PADDED);
            threads::with_scratch(PLACES * columns * (CHANNELS.min(inputs) + OUTPUTS), |scratch| {
                let (patches, sums) = scratch.split_at_mut(PLACES * columns * CHANNELS.min(inputs));
                arch().dispatch(Panel {
                    x,
                    kernels,
                    plus,
                    geometry,
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
    // SAFETY: panels × runs of outputs cover the output without overlap, and each task writes all of its own.
    unsafe { super::filled(size, fill) }
}

/// Some tiles under some of the kernels.
struct Panel<'a> {
    x: &'a [f32],
    kernels: &'a Kernels,
    plus: Plus<'a>,
    geometry: Geometry,
    /// Numbered through all rows of all images.
    tiles: std::ops::Range<usize>,
    /// The tiles' number rounded up.
    columns: usize,
    outputs: std::ops::Range<usize>,
    out: Shared,
    /// [place, channel, tile]
    patches: &'a mut [f32],
    /// [place, output, tile]
    sums: &'a mut [f32],
}

/// What lies under up to 16 tiles in a line of a plane, from one before the first to one after the last; zeros outside
/// of the line, and anything beyond its last tile.
#[inline(always)]
fn under(plane: &[f32], line: usize, width: usize, tile: usize) -> [f32; 2 * PADDED + 2] {
    const ALL: usize = 2 * PADDED + 2;
    let mut numbers = [0f32; ALL];
    let first = 2 * tile;
    // A copy of known length is a few vectors, one of unknown length a call; what it brings too much is overwritten.
    match (first.checked_sub(1), plane.get(line + first..line + first + ALL - 1)) {
        (None, Some(rest)) => numbers[1..].copy_from_slice(rest),
        (Some(before), Some(_)) if line + before + ALL <= plane.len() => {
            numbers.copy_from_slice(&plane[line + before..][..ALL]);
        }
        _ => {
            let skip = usize::from(first == 0);
            let from = line + first + skip - 1;
            let rest = &plane[from..plane.len().min(from + ALL - skip)];
            numbers[skip..][..rest.len()].copy_from_slice(rest);
        }
    }
    // The two places after the line's end, where they are among these.
    let end = width + 1 - first;
    for number in numbers.iter_mut().skip(end).take(2) {
        *number = 0.0;
    }
    numbers
}

/// Tiles side by side in one image.
#[derive(Clone, Copy, Default)]
struct Segment {
    image: usize,
    /// Row and first column, counted in tiles.
    down: usize,
    right: usize,
    count: usize,
    /// Where in the panel they begin.
    at: usize,
}

/// The segments of a panel: no more than it has tiles.
struct Segments {
    all: [Segment; COLUMNS],
    count: usize,
}

impl Segments {
    fn new(tiles: std::ops::Range<usize>, geometry: &Geometry) -> Self {
        let (high, wide) = (geometry.height.div_ceil(2), geometry.width.div_ceil(2));
        let mut segments = Self { all: [Segment::default(); COLUMNS], count: 0 };
        let mut tile = tiles.start;
        while tile < tiles.end {
            let (row, right) = (tile / wide, tile % wide);
            let count = (wide - right).min(tiles.end - tile);
            segments.all[segments.count] =
                Segment { image: row / high, down: row % high, right, count, at: tile - tiles.start };
            segments.count += 1;
            tile += count;
        }
        segments
    }

    fn all(&self) -> &[Segment] {
        &self.all[..self.count]
    }
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let inputs = self.kernels.inputs;
        let columns = self.columns;
        let segments = Segments::new(self.tiles.clone(), &self.geometry);
        // d B of one channel: rows of patches × places in a row × tiles.
        let mut half = [[[0f32; LONG]; 4]; 4];
        for first in (0..inputs).step_by(CHANNELS) {
            let channels = CHANNELS.min(inputs - first);
            for channel in 0..channels {
                self.transform(simd, &segments, first + channel, channel, channels, &mut half);
            }
            for output in self.outputs.clone().step_by(OUTPUTS) {
                let count = OUTPUTS.min(self.outputs.end - output);
                for place in 0..PLACES {
                    for row in (output..output + count).step_by(ROWS) {
                        let (block, high) = self.kernels.block(row, place, first);
                        let tile = Tile {
                            rows: high.min(output + count - row),
                            columns,
                            depth: channels,
                            a: block.as_ptr(),
                            a_row: 1,
                            a_step: high,
                            b: self.patches[place * channels * columns..].as_ptr(),
                            b_step: columns,
                            c: self.sums[(place * OUTPUTS + row - output) * columns..].as_mut_ptr(),
                            c_row: columns,
                            start: Start::Zero,
                        };
                        // SAFETY: the block is that deep, and the others were made as long as this.
                        unsafe { tile.run(simd) };
                    }
                }
                for row in 0..count {
                    self.gather(simd, &segments, row, output + row, first == 0);
                }
            }
        }
    }
}

impl Panel<'_> {
    /// Bᵀ d B of one channel's patches.
    #[inline(always)]
    fn transform<S: Simd>(
        &mut self,
        simd: S,
        segments: &Segments,
        input: usize,
        channel: usize,
        channels: usize,
        half: &mut [[[f32; LONG]; 4]; 4],
    ) {
        let Geometry { inputs, height, width, .. } = self.geometry;
        for &Segment { image, down, right, count, at } in segments.all() {
            let plane = &self.x[(image * inputs + input) * height * width..][..height * width];
            for (row, half) in half.iter_mut().enumerate() {
                let line = (2 * down + row).checked_sub(1).filter(|line| *line < height);
                let Some(line) = line else {
                    half.iter_mut().for_each(|half| half[at..at + count].fill(0.0));
                    continue;
                };
                for tile in (0..count).step_by(PADDED) {
                    let numbers = under(plane, line * width, width, right + tile);
                    for i in 0..PADDED {
                        let [a, b, c, d] = [numbers[2 * i], numbers[2 * i + 1], numbers[2 * i + 2], numbers[2 * i + 3]];
                        half[0][at + tile + i] = a - c;
                        half[1][at + tile + i] = b + c;
                        half[2][at + tile + i] = c - b;
                        half[3][at + tile + i] = b - d;
                    }
                }
            }
        }
        let columns = self.columns;
        let patches = &mut self.patches[..PLACES * channels * columns];
        #[expect(
            clippy::needless_range_loop,
            reason = "four rows are read side by side, and it is a place in the patch"
        )]
        for right in 0..4 {
            for tile in (0..columns).step_by(S::F32_LANES) {
                // SAFETY: both are rows of at least `columns` numbers, a multiple of the lanes.
                unsafe {
                    let a = load::<S>(half[0][right].as_ptr().add(tile));
                    let b = load::<S>(half[1][right].as_ptr().add(tile));
                    let c = load::<S>(half[2][right].as_ptr().add(tile));
                    let d = load::<S>(half[3][right].as_ptr().add(tile));
                    let rows = [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)];
                    for (down, vector) in rows.into_iter().enumerate() {
                        let place = 4 * down + right;
                        store::<S>(patches.as_mut_ptr().add((place * channels + channel) * columns + tile), vector);
                    }
                }
            }
        }
    }

    /// Aᵀ m A of one output channel's tiles, to where they belong in the picture; set with the bias the first time,
    /// added later.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, segments: &Segments, row: usize, output: usize, first: bool) {
        let Geometry { height, width, .. } = self.geometry;
        let columns = self.columns;
        assert!(self.sums.len() >= PLACES * OUTPUTS * columns && row < OUTPUTS);
        let mut places = [[[0f32; COLUMNS]; 2]; 2];
        for tile in (0..columns).step_by(S::F32_LANES) {
            // SAFETY: sums has a row of `columns` numbers, a multiple of the lanes, for each place and output.
            unsafe {
                let sums = self.sums[row * columns + tile..].as_ptr();
                let apart = OUTPUTS * columns;
                let mut right = [[simd.splat_f32s(0.0); 2]; 4];
                for (down, right) in right.iter_mut().enumerate() {
                    let a = load::<S>(sums.add(4 * down * apart));
                    let b = load::<S>(sums.add((4 * down + 1) * apart));
                    let c = load::<S>(sums.add((4 * down + 2) * apart));
                    let d = load::<S>(sums.add((4 * down + 3) * apart));
                    *right = [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)];
                }
                for i in 0..2 {
                    let [a, b, c, d] = [right[0][i], right[1][i], right[2][i], right[3][i]];
                    let above = simd.add_f32s(simd.add_f32s(a, b), c);
                    let below = simd.sub_f32s(simd.sub_f32s(b, c), d);
                    store::<S>(places[0][i].as_mut_ptr().add(tile), above);
                    store::<S>(places[1][i].as_mut_ptr().add(tile), below);
                }
            }
        }
        let bias = if first { self.plus.bias[output] } else { 0.0 };
        for (below, [left, right]) in places.iter().enumerate() {
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
                let plane = segment.image * self.kernels.outputs + output;
                let place = (plane * height + at) * width + 2 * segment.right;
                let to = self.out.get().wrapping_add(place);
                // SAFETY: this run of this row of this output is this task's alone, and is inside the output: the
                // row is below the height, and the run was cut at the width. It was written before it is added to.
                unsafe {
                    match self.plus.onto {
                        Some(onto) if first => {
                            for (i, (number, onto)) in line.iter().zip(&onto[place..]).enumerate() {
                                *to.add(i) = number + onto;
                            }
                        }
                        None if first => std::ptr::copy_nonoverlapping(line.as_ptr(), to, line.len()),
                        _ => {
                            for (i, number) in line.iter().enumerate() {
                                *to.add(i) += number;
                            }
                        }
                    }
                }
            }
        }
    }
}
