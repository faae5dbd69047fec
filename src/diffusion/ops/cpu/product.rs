//! Linear layers: rows of activations against weights packed once.

use pulp::{Simd, WithSimd};

use super::arch;
use super::pack::Right;
use super::rows;
use super::threads::{self, Shared};
use super::tile::{COLUMNS, ROWS, Start, Tile};

/// Inner dimension walked at a time: 1536 rows of a panel are 288 KiB, which stay in the second-level cache.
const DEPTH: usize = 1536;
/// Rows of activations that one task takes at most.
const TALL: usize = 256;

/// What becomes of a product and its bias.
#[derive(Clone, Copy)]
pub enum Then<'a> {
    Nothing,
    /// This, shaped as the result, is added.
    Onto(&'a [f32]),
    /// It is multiplied with the GELU of x through this.
    GatedBy(&'a Right),
}

/// x [rows, depth] · w → [rows, columns], plus the bias.
pub fn linear(x: &[f32], weight: &Right, then: Then<'_>) -> Vec<f32> {
    let depth = weight.depth;
    let rows = x.len() / depth;
    assert_eq!(x.len(), rows * depth, "whole rows of activations");
    let columns = weight.columns;
    let work = match then {
        Then::Nothing => rows * depth * columns,
        Then::Onto(onto) => {
            assert_eq!(onto.len(), rows * columns, "something of the result's size");
            rows * depth * columns
        }
        Then::GatedBy(gate) => {
            assert_eq!((gate.depth, gate.columns), (depth, columns), "a gate for each number");
            2 * rows * depth * columns
        }
    };
    let heights = rows.div_ceil(TALL).max(1);
    let tall = rows.div_ceil(heights).next_multiple_of(ROWS);
    let heights = rows.div_ceil(tall);
    let wide = threads::run_length(columns, threads::splits(heights, work), COLUMNS);
    let widths = columns.div_ceil(wide);
    let fill = |out: Shared| {
        threads::for_each(heights * widths, work, |task| {
            let (first_row, first_column) = (task / widths * tall, task % widths * wide);
            arch().dispatch(Block {
                x,
                weight,
                then,
                rows: first_row..rows.min(first_row + tall),
                columns: first_column..columns.min(first_column + wide),
                out,
            });
        });
    };
    // SAFETY: the tasks' blocks cover the output and do not overlap, and each writes all of its block.
    unsafe { super::filled(rows * columns, fill) }
}

/// A rectangle of the output.
struct Block<'a> {
    x: &'a [f32],
    weight: &'a Right,
    then: Then<'a>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    out: Shared,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let all = self.weight.columns;
        for column in self.columns.clone().step_by(COLUMNS) {
            let columns = COLUMNS.min(self.columns.end - column);
            let first = self.rows.start * all + column;
            let out = Shared::new(self.out.get().wrapping_add(first));
            // SAFETY: this part of the output is this task's alone.
            unsafe { self.panel(simd, self.weight, column, columns, out, all) };
            match self.then {
                Then::Nothing => {}
                Then::Onto(onto) => {
                    for row in 0..self.rows.len() {
                        // SAFETY: a run of what was just written.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * all), columns) };
                        out.iter_mut().zip(&onto[first + row * all..]).for_each(|(number, onto)| *number += onto);
                    }
                }
                Then::GatedBy(weight) => {
                    let mut gates = [0f32; TALL * COLUMNS];
                    let to = Shared::new(gates.as_mut_ptr());
                    // SAFETY: a task has at most that many rows.
                    unsafe { self.panel(simd, weight, column, columns, to, COLUMNS) };
                    for (row, gates) in gates.chunks_exact(COLUMNS).take(self.rows.len()).enumerate() {
                        // SAFETY: a run of what was just written.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * all), columns) };
                        rows::gate(simd, &gates[..columns], out);
                    }
                }
            }
        }
    }
}

impl Block<'_> {
    /// All rows by one panel of a weight, to rows that lie `out_row` apart.
    ///
    /// # Safety
    /// `out` must be writable for as many rows of `columns`, by nobody else.
    #[inline(always)]
    unsafe fn panel<S: Simd>(
        &self,
        simd: S,
        weight: &Right,
        column: usize,
        columns: usize,
        out: Shared,
        out_row: usize,
    ) {
        let depth = weight.depth;
        let (panel, wide) = weight.panel(column);
        for step in (0..depth).step_by(DEPTH) {
            let start = if step == 0 { Start::PerColumn(weight.bias[column..].as_ptr()) } else { Start::Output };
            for row in self.rows.clone().step_by(ROWS) {
                let tile = Tile {
                    rows: ROWS.min(self.rows.end - row),
                    columns,
                    depth: DEPTH.min(depth - step),
                    a: self.x[row * depth + step..].as_ptr(),
                    a_row: depth,
                    a_step: 1,
                    b: panel[step * wide..].as_ptr(),
                    b_step: wide,
                    c: out.get().wrapping_add((row - self.rows.start) * out_row),
                    c_row: out_row,
                    start,
                };
                // SAFETY: the rows are within `x`, the panel is padded, and the caller answers for the output, which
                // was written before it is read as a start.
                unsafe { tile.run(simd) };
            }
        }
    }
}
