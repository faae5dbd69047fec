//! Weights in the order in which tiles read them: made once at load, so that no call rearranges them.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::threads;
use super::tile::{COLUMNS, PADDED, ROWS};

/// A matrix [rows, depth] as the left-hand side of tiles: blocks of 8 rows, in each the 8 numbers of one column side
/// by side. The last block may have fewer rows, and then fewer numbers side by side.
pub struct Left {
    pub rows: usize,
    pub depth: usize,
    pub numbers: Vec<f32>,
}

impl Left {
    /// The matrix as it comes, row after row.
    pub fn new(mut numbers: Vec<f32>, rows: usize) -> Self {
        let depth = numbers.len() / rows;
        assert_eq!(numbers.len(), rows * depth, "whole rows");
        rearrange(&mut numbers, ROWS * depth, |from, numbers| {
            let high = numbers.len() / depth;
            for (column, numbers) in numbers.chunks_exact_mut(high).enumerate() {
                for (row, number) in numbers.iter_mut().enumerate() {
                    *number = from[row * depth + column];
                }
            }
        });
        Self { rows, depth, numbers }
    }

    /// The block of rows that begins at `row` (a multiple of 8), from column `column` on; and how many rows it has,
    /// which is also the step from one column to the next.
    pub fn block(&self, row: usize, column: usize) -> (&[f32], usize) {
        let high = ROWS.min(self.rows - row);
        (&self.numbers[row * self.depth + column * high..][..(self.depth - column) * high], high)
    }
}

/// The transpose of a matrix [columns, depth] as the right-hand side of tiles: panels of 48 columns, in each the 48
/// numbers of one row side by side. The last panel is as wide as it needs, rounded up to 16.
pub struct Right {
    pub columns: usize,
    pub depth: usize,
    pub numbers: Vec<f32>,
    /// One number for each column, zeros without one; as long as all panels are wide.
    pub bias: Vec<f32>,
}

impl Right {
    /// The matrix as it comes, column after column, and the bias, if there is one.
    pub fn new(mut numbers: Vec<f32>, columns: usize, bias: Option<Vec<f32>>) -> Self {
        let depth = numbers.len() / columns;
        let mut bias = bias.unwrap_or_else(|| vec![0.0; columns]);
        assert!(numbers.len() == columns * depth && bias.len() == columns, "whole columns, and a bias for each");
        let padded = columns.next_multiple_of(PADDED);
        bias.resize(padded, 0.0);
        numbers.resize(padded * depth, 0.0);
        rearrange(&mut numbers, COLUMNS * depth, |from, numbers| {
            let wide = numbers.len() / depth;
            // A few steps of all columns at a time, so that what is written stays in the first-level cache.
            for step in (0..depth).step_by(PADDED) {
                for (column, from) in from.chunks_exact(depth).enumerate() {
                    for (i, number) in from[step..depth.min(step + PADDED)].iter().enumerate() {
                        numbers[(step + i) * wide + column] = *number;
                    }
                }
            }
        });
        Self { columns, depth, numbers, bias }
    }

    /// The panel that begins at `column` (a multiple of 48), and how wide it lies.
    pub fn panel(&self, column: usize) -> (&[f32], usize) {
        let wide = COLUMNS.min(self.bias.len() - column);
        (&self.numbers[column * self.depth..][..wide * self.depth], wide)
    }
}

/// Rearranges blocks of `size` numbers (the last may be shorter) where they are, since weights fill most of the memory:
/// `order` gets a copy of each block and the block.
fn rearrange(numbers: &mut [f32], size: usize, order: impl Fn(&[f32], &mut [f32]) + Sync) {
    numbers.par_chunks_mut(size).for_each(|numbers| {
        threads::with_scratch(numbers.len(), |copy| {
            copy.copy_from_slice(numbers);
            order(copy, numbers);
        });
    });
}

/// A copy of the numbers of a tensor of float32 on the CPU, row after row.
pub fn numbers_of(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}
