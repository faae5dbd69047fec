//! Linear layers: rows of activations against weights packed once.

use pulp::{Arch, Simd, WithSimd};

use super::pack::Right;
use super::threads::{self, Shared};
use super::tile::{COLUMNS, ROWS, Start, Tile};

/// Inner dimension walked at a time: 1536 rows of a panel are 288 KiB, which stay in the second-level cache.
const DEPTH: usize = 1536;
/// Rows of activations that one task takes at most.
const TALL: usize = 256;

/// x [rows, depth] · w → [rows, columns], plus the bias, plus `onto`.
pub fn linear(x: &[f32], weight: &Right, onto: Option<&[f32]>) -> Vec<f32> {
    let depth = weight.depth;
    let rows = x.len() / depth;
    assert_eq!(x.len(), rows * depth, "whole rows of activations");
    let columns = weight.columns;
    assert!(onto.is_none_or(|onto| onto.len() == rows * columns), "something of the result's size");
    let heights = rows.div_ceil(TALL).max(1);
    let tall = rows.div_ceil(heights).next_multiple_of(ROWS);
    let heights = rows.div_ceil(tall);
    let wide = threads::run_length(columns, threads::splits(heights, rows * depth * columns), COLUMNS);
    let widths = columns.div_ceil(wide);
    let fill = |out: Shared| {
        threads::for_each(heights * widths, rows * depth * columns, |task| {
            let (first_row, first_column) = (task / widths * tall, task % widths * wide);
            Arch::new().dispatch(Block {
                x,
                weight,
                onto,
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
    onto: Option<&'a [f32]>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    out: Shared,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let depth = self.weight.depth;
        for column in self.columns.clone().step_by(COLUMNS) {
            let columns = COLUMNS.min(self.columns.end - column);
            let (panel, wide) = self.weight.panel(column);
            for step in (0..depth).step_by(DEPTH) {
                let start =
                    if step == 0 { Start::PerColumn(self.weight.bias[column..].as_ptr()) } else { Start::Output };
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
                        c: self.out.get().wrapping_add(row * self.weight.columns + column),
                        c_row: self.weight.columns,
                        start,
                    };
                    // SAFETY: the rows are within `x`, the panel is padded, and this part of the output is this
                    // task's alone; it was written before it is read as a start.
                    unsafe { tile.run(simd) };
                }
            }
            if let Some(onto) = self.onto {
                for row in self.rows.clone() {
                    let at = row * self.weight.columns + column;
                    // SAFETY: a run of what the tiles just wrote.
                    let out = unsafe { std::slice::from_raw_parts_mut(self.out.get().add(at), columns) };
                    out.iter_mut().zip(&onto[at..]).for_each(|(number, onto)| *number += onto);
                }
            }
        }
    }
}
