//! Kernels transformed once, at load.

use rayon::prelude::*;

use super::super::memory;
use super::super::tile::ROWS;
use super::POSITIONS;

/// All kernels as G g Gᵀ. They are cut into blocks of [`ROWS`] output channels (the last may have fewer); a block holds
/// a matrix [in, block rows] for each of the 16 positions.
pub struct Weights {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    values: Vec<f32>,
}

impl Weights {
    /// `from` is the weight [out, in, 3, 3].
    pub fn new(from: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(from.len(), 9 * outputs * inputs, "each pair of channels needs nine values");
        let mut values = memory::zeros(POSITIONS * outputs * inputs);
        let blocks = values.par_chunks_mut(POSITIONS * ROWS * inputs).zip(from.par_chunks(9 * ROWS * inputs));
        blocks.for_each(|(block, from)| {
            let block_rows = from.len() / (9 * inputs);
            for input in 0..inputs {
                for row in 0..block_rows {
                    let kernel = from[(row * inputs + input) * 9..].first_chunk().expect("each kernel has nine values");
                    for (position, value) in transform(kernel).as_flattened().iter().enumerate() {
                        block[(position * inputs + input) * block_rows + row] = *value;
                    }
                }
            }
        });
        Self { inputs, outputs, values }
    }

    /// The matrix at one position of the block that begins at output channel `row` (a multiple of [`ROWS`]), from input
    /// channel `first` on, and the block's number of rows.
    pub fn block(&self, row: usize, position: usize, first: usize) -> (&[f32], usize) {
        let block_rows = ROWS.min(self.outputs - row);
        let at = POSITIONS * row * self.inputs + position * block_rows * self.inputs;
        (&self.values[at..][first * block_rows..self.inputs * block_rows], block_rows)
    }
}

/// G g Gᵀ of one kernel.
fn transform(kernel: &[f32; 9]) -> [[f32; 4]; 4] {
    let line = |a: f32, b: f32, c: f32| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    let rows = [0, 3, 6].map(|row| line(kernel[row], kernel[row + 1], kernel[row + 2]));
    let columns = [0, 1, 2, 3].map(|i| line(rows[0][i], rows[1][i], rows[2][i]));
    [0, 1, 2, 3].map(|down| columns.map(|column| column[down]))
}
