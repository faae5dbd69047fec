//! Products of activations with packed weights, for linear layers.

use pulp::{Simd, WithSimd};

use super::arch;
use super::elementwise;
use super::pack::PackedRight;
use super::threads::{self, OutputPtr};
use super::tile::{COLUMNS, Init, ROWS, Tile};

/// Steps of the inner dimension at a time: 1536 rows of a panel are 288 KiB, which stay in the second-level cache.
const DEPTH: usize = 1536;
/// The most rows of activations in one task.
const MAX_TASK_ROWS: usize = 256;

/// What happens to a product after the bias is added.
#[derive(Clone, Copy)]
pub enum Epilogue<'a> {
    None,
    /// Add a tensor of the result's shape.
    Add(&'a [f32]),
    /// Multiply by gelu(x · this weight + its bias).
    GeluGate(&'a PackedRight),
}

/// x [rows, depth] · weight [depth, columns] + bias [columns] → [rows, columns].
pub fn linear(x: &[f32], weight: &PackedRight, epilogue: Epilogue<'_>) -> Vec<f32> {
    let depth = weight.depth;
    let rows = x.len() / depth;
    assert_eq!(x.len(), rows * depth, "the activations must have whole rows");
    let columns = weight.columns;
    let work = match epilogue {
        Epilogue::None => rows * depth * columns,
        Epilogue::Add(onto) => {
            assert_eq!(onto.len(), rows * columns, "the addend must have the result's size");
            rows * depth * columns
        }
        Epilogue::GeluGate(gate) => {
            assert_eq!((gate.depth, gate.columns), (depth, columns), "the gate must have the weight's shape");
            2 * rows * depth * columns
        }
    };
    let row_tasks = rows.div_ceil(MAX_TASK_ROWS).max(1);
    let task_rows = rows.div_ceil(row_tasks).next_multiple_of(ROWS);
    let row_tasks = rows.div_ceil(task_rows);
    let task_columns = threads::run_length(columns, threads::splits(row_tasks, work), COLUMNS);
    let column_tasks = columns.div_ceil(task_columns);
    let fill = |out: OutputPtr| {
        threads::for_each(row_tasks * column_tasks, work, |task| {
            let first_row = task / column_tasks * task_rows;
            let first_column = task % column_tasks * task_columns;
            arch().dispatch(Block {
                x,
                weight,
                epilogue,
                rows: first_row..rows.min(first_row + task_rows),
                columns: first_column..columns.min(first_column + task_columns),
                out,
            });
        });
    };
    // SAFETY: the tasks' blocks cover the output and do not overlap, and each writes all of its block.
    unsafe { super::filled(rows * columns, fill) }
}

/// One task: a rectangle of the output.
struct Block<'a> {
    x: &'a [f32],
    weight: &'a PackedRight,
    epilogue: Epilogue<'a>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    out: OutputPtr,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let out_row = self.weight.columns;
        for column in self.columns.clone().step_by(COLUMNS) {
            let columns = COLUMNS.min(self.columns.end - column);
            let first = self.rows.start * out_row + column;
            let out = OutputPtr::new(self.out.get().wrapping_add(first));
            // SAFETY: only this task writes this part of the output.
            unsafe { self.panel(simd, self.weight, column, columns, out, out_row) };
            match self.epilogue {
                Epilogue::None => {}
                Epilogue::Add(onto) => {
                    for row in 0..self.rows.len() {
                        // SAFETY: part of a row that `panel` just wrote.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * out_row), columns) };
                        out.iter_mut().zip(&onto[first + row * out_row..]).for_each(|(value, onto)| *value += onto);
                    }
                }
                Epilogue::GeluGate(weight) => {
                    let mut gates = [0f32; MAX_TASK_ROWS * COLUMNS];
                    let to = OutputPtr::new(gates.as_mut_ptr());
                    // SAFETY: a task has at most `MAX_TASK_ROWS` rows.
                    unsafe { self.panel(simd, weight, column, columns, to, COLUMNS) };
                    for (row, gates) in gates.chunks_exact(COLUMNS).take(self.rows.len()).enumerate() {
                        // SAFETY: part of a row that `panel` just wrote.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * out_row), columns) };
                        elementwise::gelu_gate(simd, &gates[..columns], out);
                    }
                }
            }
        }
    }
}

impl Block<'_> {
    /// Multiplies all rows of the task by one panel of `weight` and adds its bias. Output rows are `out_row` apart.
    ///
    /// # Safety
    /// `out` must be writable for the task's rows of `columns` values, and no other task may write there.
    #[inline(always)]
    unsafe fn panel<S: Simd>(
        &self,
        simd: S,
        weight: &PackedRight,
        column: usize,
        columns: usize,
        out: OutputPtr,
        out_row: usize,
    ) {
        let depth = weight.depth;
        let (panel, panel_width) = weight.panel(column);
        for step in (0..depth).step_by(DEPTH) {
            let init = if step == 0 { Init::PerColumn(weight.bias[column..].as_ptr()) } else { Init::Output };
            for row in self.rows.clone().step_by(ROWS) {
                let tile = Tile {
                    rows: ROWS.min(self.rows.end - row),
                    columns,
                    depth: DEPTH.min(depth - step),
                    a: self.x[row * depth + step..].as_ptr(),
                    a_row_stride: depth,
                    a_column_stride: 1,
                    b: panel[step * panel_width..].as_ptr(),
                    b_row_stride: panel_width,
                    c: out.get().wrapping_add((row - self.rows.start) * out_row),
                    c_row_stride: out_row,
                    init,
                };
                // SAFETY: the rows are within `x`, the panel is padded, and the caller guarantees the output. The
                // first pass writes the output before later passes read it.
                unsafe { tile.run(simd) };
            }
        }
    }
}
