//! The register tile: a product of up to 8 × 48 values that stay in registers while the loop walks the inner dimension.
//!
//! The right-hand side is read in whole vectors along its rows, the left-hand side one value at a time with any
//! strides. So one tile serves packed weights times pixels, unpacked activations times packed weights, and attention
//! heads without a transposed copy.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

/// The most rows of a tile.
pub const ROWS: usize = 8;
/// The most columns of a tile.
pub const COLUMNS: usize = 48;
/// Right-hand sides are padded to a multiple of this many columns, the lanes of the widest vectors.
pub const PADDED: usize = 16;

/// The values that the product is added to.
#[derive(Clone, Copy)]
pub enum Init {
    Zero,
    /// The current contents of the output.
    Output,
    /// One value per row.
    PerRow(*const f32),
    /// One value per column, padded like the right-hand side.
    PerColumn(*const f32),
}

/// c [rows, columns] = init + a [rows, depth] · b [depth, columns]. Strides are in values.
#[derive(Clone, Copy)]
pub struct Tile {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub a: *const f32,
    pub a_row_stride: usize,
    pub a_column_stride: usize,
    pub b: *const f32,
    pub b_row_stride: usize,
    pub c: *mut f32,
    pub c_row_stride: usize,
    pub init: Init,
}

impl Tile {
    /// Computes the tile.
    ///
    /// # Safety
    /// `a` and `b` must be readable as the fields describe, `b` up to a multiple of [`PADDED`] columns. `c` must be
    /// writable. `rows` is at most [`ROWS`], `columns` at most [`COLUMNS`].
    #[inline(always)]
    pub unsafe fn run<S: Simd>(self, simd: S) {
        debug_assert!(self.rows <= ROWS && self.columns <= COLUMNS);
        // `vectorize` compiles one copy per instruction set instead of one per caller.
        simd.vectorize(Checked(self));
    }
}

/// A tile whose caller guarantees the conditions of [`Tile::run`].
struct Checked(Tile);

impl WithSimd for Checked {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let tile = self.0;
        let lanes = S::F32_LANES;
        let mut column = 0;
        while column < tile.columns {
            let columns = (tile.columns - column).min(3 * lanes);
            let mut row = 0;
            while row < tile.rows {
                let left = tile.rows - row;
                // SAFETY: the part is inside the tile, which the caller of `run` guarantees.
                unsafe {
                    let part = Part { tile: &tile, row, column, columns };
                    row += match columns.div_ceil(lanes) {
                        3 => part.rows::<S, 3>(simd, left),
                        2 => part.rows::<S, 2>(simd, left),
                        _ => part.rows::<S, 1>(simd, left),
                    };
                }
            }
            column += columns;
        }
    }
}

/// A part of a tile that fits into the registers.
struct Part<'a> {
    tile: &'a Tile,
    row: usize,
    column: usize,
    columns: usize,
}

impl Part<'_> {
    /// Computes as many of the `left` remaining rows as fit into the registers, and returns how many.
    #[inline(always)]
    unsafe fn rows<S: Simd, const VECTORS: usize>(&self, simd: S, left: usize) -> usize {
        // SAFETY: as for `registers`; never more rows than are left.
        unsafe {
            if S::REGISTER_COUNT >= 32 && left >= 8 {
                self.registers::<S, 8, VECTORS>(simd);
                8
            } else if left >= 4 {
                self.registers::<S, 4, VECTORS>(simd);
                4
            } else if left >= 2 {
                self.registers::<S, 2, VECTORS>(simd);
                2
            } else {
                self.registers::<S, 1, VECTORS>(simd);
                1
            }
        }
    }

    #[inline(always)]
    unsafe fn registers<S: Simd, const ROW_COUNT: usize, const VECTORS: usize>(&self, simd: S) {
        let lanes = S::F32_LANES;
        let Tile { depth, a_row_stride, a_column_stride, b_row_stride, c_row_stride, init, .. } = *self.tile;
        let whole = self.columns == VECTORS * lanes;
        // SAFETY: the pointers stay inside what the caller of `Tile::run` guarantees: rows below `tile.rows`, whole
        // vectors of `b` because it is padded, and whole vectors of `c` only where the part is as wide.
        unsafe {
            let mut a = self.tile.a.add(self.row * a_row_stride);
            let mut b = self.tile.b.add(self.column);
            let c = self.tile.c.add(self.row * c_row_stride + self.column);
            // A copy of `c` for parts that end within a vector. It is written before it is read.
            let mut edge = [const { MaybeUninit::<f32>::uninit() }; ROWS * COLUMNS];
            let edge = edge.as_mut_ptr().cast::<f32>();
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROW_COUNT];
            match init {
                Init::Zero => {}
                Init::PerRow(values) => {
                    for (i, sums) in sums.iter_mut().enumerate() {
                        *sums = [simd.splat_f32s(*values.add(self.row + i)); VECTORS];
                    }
                }
                Init::PerColumn(values) => {
                    for j in 0..VECTORS {
                        let vector = load::<S>(values.add(self.column + j * lanes));
                        for sums in &mut sums {
                            sums[j] = vector;
                        }
                    }
                }
                Init::Output => {
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let mut from = c.add(i * c_row_stride).cast_const();
                        if !whole {
                            let to = edge.add(i * COLUMNS);
                            std::ptr::copy_nonoverlapping(from, to, self.columns);
                            to.add(self.columns).write_bytes(0, VECTORS * lanes - self.columns);
                            from = to;
                        }
                        for (j, sum) in sums.iter_mut().enumerate() {
                            *sum = load::<S>(from.add(j * lanes));
                        }
                    }
                }
            }
            for _ in 0..depth {
                let mut row = [simd.splat_f32s(0.0); VECTORS];
                for (j, vector) in row.iter_mut().enumerate() {
                    *vector = load::<S>(b.add(j * lanes));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let factor = simd.splat_f32s(*a.add(i * a_row_stride));
                    for (sum, vector) in sums.iter_mut().zip(row) {
                        *sum = simd.mul_add_e_f32s(factor, vector, *sum);
                    }
                }
                a = a.wrapping_add(a_column_stride);
                b = b.wrapping_add(b_row_stride);
            }
            for (i, sums) in sums.iter().enumerate() {
                let to = c.add(i * c_row_stride);
                if whole {
                    for (j, sum) in sums.iter().enumerate() {
                        store::<S>(to.add(j * lanes), *sum);
                    }
                } else {
                    let from = edge.add(i * COLUMNS);
                    for (j, sum) in sums.iter().enumerate() {
                        store::<S>(from.add(j * lanes), *sum);
                    }
                    std::ptr::copy_nonoverlapping(from, to, self.columns);
                }
            }
        }
    }
}

/// Reads a vector, which need not be aligned.
///
/// # Safety
/// The whole vector must be readable.
#[inline(always)]
pub unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: guaranteed by the caller; any bits form a vector of floats.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector, which need not be aligned.
///
/// # Safety
/// The whole vector must be writable.
#[inline(always)]
pub unsafe fn store<S: Simd>(at: *mut f32, vector: S::f32s) {
    // SAFETY: guaranteed by the caller.
    unsafe { at.cast::<S::f32s>().write_unaligned(vector) }
}
