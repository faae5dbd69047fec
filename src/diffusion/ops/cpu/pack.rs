//! Weights in the order in which tiles read them. They are packed once, at load.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::threads;
use super::tile::{COLUMNS, PADDED, ROWS};

/// A matrix [rows, depth] as the left-hand side of tiles. It is cut into blocks of [`ROWS`] rows (the last may have
/// fewer); a block is stored column by column.
pub struct PackedLeft {
    pub rows: usize,
    pub depth: usize,
    pub values: Vec<f32>,
}

impl PackedLeft {
    /// `values` is the matrix [rows, depth], row by row.
    pub fn new(mut values: Vec<f32>, rows: usize) -> Self {
        let depth = values.len() / rows;
        assert_eq!(values.len(), rows * depth, "the matrix must have whole rows");
        rearrange(&mut values, ROWS * depth, |from, block| {
            let block_rows = block.len() / depth;
            for (column, to) in block.chunks_exact_mut(block_rows).enumerate() {
                for (row, value) in to.iter_mut().enumerate() {
                    *value = from[row * depth + column];
                }
            }
        });
        Self { rows, depth, values }
    }

    /// The block that begins at `row` (a multiple of [`ROWS`]), from `column` on, and its number of rows, which is
    /// also the distance from one column to the next.
    pub fn block(&self, row: usize, column: usize) -> (&[f32], usize) {
        let block_rows = ROWS.min(self.rows - row);
        (&self.values[row * self.depth + column * block_rows..][..(self.depth - column) * block_rows], block_rows)
    }
}

/// The transpose of a matrix [columns, depth] as the right-hand side of tiles. It is cut into panels of [`COLUMNS`]
/// columns; a panel is stored row by row. The last panel is padded to a multiple of [`PADDED`] columns.
pub struct PackedRight {
    pub columns: usize,
    pub depth: usize,
    pub values: Vec<f32>,
    /// One value per column, zero for padded columns.
    pub bias: Vec<f32>,
}

impl PackedRight {
    /// `values` is the matrix [columns, depth], `bias` has one value per column.
    pub fn new(mut values: Vec<f32>, columns: usize, bias: Option<Vec<f32>>) -> Self {
        let depth = values.len() / columns;
        let mut bias = bias.unwrap_or_else(|| vec![0.0; columns]);
        assert!(
            values.len() == columns * depth && bias.len() == columns,
            "each column needs {depth} values and a bias"
        );
        let padded = columns.next_multiple_of(PADDED);
        bias.resize(padded, 0.0);
        values.resize(padded * depth, 0.0);
        rearrange(&mut values, COLUMNS * depth, |from, panel| {
            let width = panel.len() / depth;
            // A few rows at a time, so that the written part stays in the first-level cache.
            for row in (0..depth).step_by(PADDED) {
                for (column, from) in from.chunks_exact(depth).enumerate() {
                    for (i, value) in from[row..depth.min(row + PADDED)].iter().enumerate() {
                        panel[(row + i) * width + column] = *value;
                    }
                }
            }
        });
        Self { columns, depth, values, bias }
    }

    /// The panel that begins at `column` (a multiple of [`COLUMNS`]), and its padded width.
    pub fn panel(&self, column: usize) -> (&[f32], usize) {
        let width = COLUMNS.min(self.bias.len() - column);
        (&self.values[column * self.depth..][..width * self.depth], width)
    }
}

/// Rearranges blocks of `size` values (the last may be shorter) in place, because weights fill most of the memory.
/// `order` receives a copy of each block and the block to write.
fn rearrange(values: &mut [f32], size: usize, order: impl Fn(&[f32], &mut [f32]) + Sync) {
    values.par_chunks_mut(size).for_each(|block| {
        threads::with_scratch(block.len(), |copy| {
            copy.copy_from_slice(block);
            order(copy, block);
        });
    });
}

/// A copy of the values of a float32 tensor, row by row.
pub fn to_vec(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}
