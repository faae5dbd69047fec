//! Weights in the order in which tiles read them: made once at load, so that no call rearranges them.

use candle_core::{Result, Storage, Tensor};
use rayon::prelude::*;

use super::memory;
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
        let rows = weight.dim(0)?;
        let depth = weight.elem_count() / rows.max(1);
        let mut numbers = memory::zeros(rows * depth);
        read(weight, |from| {
            numbers.par_chunks_mut(ROWS * depth).zip(from.par_chunks(ROWS * depth)).for_each(|(numbers, from)| {
                let high = from.len() / depth;
                for (column, numbers) in numbers.chunks_exact_mut(high).enumerate() {
                    for (row, number) in numbers.iter_mut().enumerate() {
                        *number = from[row * depth + column];
                    }
                }
            });
        })?;
        Ok(Self { rows, depth, numbers })
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
        let padded = columns.next_multiple_of(PADDED);
        let mut numbers = memory::zeros(padded * depth);
        read(weight, |from| {
            numbers.par_chunks_mut(COLUMNS * depth).zip(from.par_chunks(COLUMNS * depth)).for_each(
                |(numbers, from)| {
                    let wide = numbers.len() / depth;
                    // A few steps of all columns at a time, so that what is written stays in the first-level cache.
                    for step in (0..depth).step_by(PADDED) {
                        for (column, from) in from.chunks_exact(depth).enumerate() {
                            for (i, number) in from[step..depth.min(step + PADDED)].iter().enumerate() {
                                numbers[(step + i) * wide + column] = *number;
                            }
                        }
                    }
                },
            );
        })?;
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

/// Lends the numbers of a tensor of float32 on the CPU, which are copied only if they do not lie in order.
pub fn read<T>(x: &Tensor, with: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(with(super::slice(storage, layout)?)),
        _ => candle_core::bail!("weights to be packed for the CPU are on another device"),
    }
}
