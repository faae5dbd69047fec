//! Weights in the order in which tiles read them: made once at load, so that no call rearranges them.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::tile::{COLUMNS, PADDED, ROWS};

/// A matrix [rows, depth] as the left-hand side of tiles: blocks of 8 rows, in each the 8 numbers of one column side
/// by side. The last block may have fewer rows, and then fewer numbers side by side.
pub struct Left {
    pub rows: usize,
    pub depth: usize,
    pub numbers: Vec<f32>,
}

impl Left {
    /// `weight` [rows, …], of which everything after the first dimension is the depth.
    pub fn new(weight: &Tensor) -> Result<Self> {
        let weight = weight.flatten_from(1)?;
        let (rows, depth) = weight.dims2()?;
        let from = weight.flatten_all()?.to_vec1::<f32>()?;
        let mut numbers = vec![0.0; rows * depth];
        Self::fill(&mut numbers, rows, depth, |row, column| from[row * depth + column]);
        Ok(Self { rows, depth, numbers })
    }

    /// Writes the matrix whose numbers `at(row, column)` gives.
    pub fn fill(numbers: &mut [f32], rows: usize, depth: usize, at: impl Fn(usize, usize) -> f32 + Sync) {
        numbers.par_chunks_mut(ROWS * depth).enumerate().for_each(|(block, numbers)| {
            let first = block * ROWS;
            let high = ROWS.min(rows - first);
            for row in 0..high {
                for column in 0..depth {
                    numbers[column * high + row] = at(first + row, column);
                }
            }
        });
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
    /// `weight` [columns, depth] and `bias` [columns].
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (columns, depth) = weight.dims2()?;
        let from = weight.flatten_all()?.to_vec1::<f32>()?;
        let padded = columns.next_multiple_of(PADDED);
        let mut numbers = vec![0.0; padded * depth];
        numbers.par_chunks_mut(COLUMNS * depth).enumerate().for_each(|(panel, numbers)| {
            let first = panel * COLUMNS;
            let wide = COLUMNS.min(padded - first);
            for column in first..columns.min(first + wide) {
                for (step, number) in from[column * depth..][..depth].iter().enumerate() {
                    numbers[step * wide + column - first] = *number;
                }
            }
        });
        let mut padded_bias = match bias {
            Some(bias) => bias.to_vec1::<f32>()?,
            None => vec![],
        };
        padded_bias.resize(padded, 0.0);
        Ok(Self { columns, depth, numbers, bias: padded_bias })
    }

    /// The panel that begins at `column` (a multiple of 48), and how wide it lies.
    pub fn panel(&self, column: usize) -> (&[f32], usize) {
        let wide = COLUMNS.min(self.bias.len() - column);
        (&self.numbers[column * self.depth..][..wide * self.depth], wide)
    }
}
