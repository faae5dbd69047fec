//! The register tile: up to 8 × 48 numbers of a product that stay in registers while the inner dimension is walked.
//!
//! The right-hand side is read in whole vectors along its rows, the left-hand side one number at a time from
//! anywhere: that fits packed weights against pixels, activations as they lie against packed weights, and the heads
//! of an attention without a transposed copy.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

/// Most rows of a tile.
pub const ROWS: usize = 8;
/// Most columns of a tile.
pub const COLUMNS: usize = 48;
/// Right-hand sides are readable up to a multiple of this many columns.
pub const PADDED: usize = 16;

/// What a tile holds before the product is added.
#[derive(Clone, Copy)]
pub enum Start {
    Zero,
    /// What is in the output already.
    Output,
    /// A number for each row.
    PerRow(*const f32),
    /// A number for each column, readable like the right-hand side.
    PerColumn(*const f32),
}

/// c [rows, columns] = start + a [rows, depth] · b [depth, columns].
#[derive(Clone, Copy)]
pub struct Tile {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub a: *const f32,
    /// From one row of `a` to the next.
    pub a_row: usize,
    /// From one column of `a` to the next.
    pub a_step: usize,
    pub b: *const f32,
    /// From one row of `b` to the next.
    pub b_step: usize,
    pub c: *mut f32,
    /// From one row of `c` to the next.
    pub c_row: usize,
    pub start: Start,
}

impl Tile {
    /// # Safety
    /// All of `a` and `b` that the fields describe must be readable, `b` up to a multiple of [`PADDED`] columns, and
    /// `c` writable; rows ≤ [`ROWS`], columns ≤ [`COLUMNS`].
    #[inline(always)]
    pub unsafe fn run<S: Simd>(self, simd: S) {
        debug_assert!(self.rows <= ROWS && self.columns <= COLUMNS);
        // Through `vectorize`, so that there is one copy of it for each instruction set and not one for each caller.
        simd.vectorize(Checked(self));
    }
}

/// A tile whose caller has promised what [`Tile::run`] asks for.
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
                // SAFETY: the part lies inside the tile, which the caller of `run` answers for.
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

/// As much of a tile as fits into the registers.
struct Part<'a> {
    tile: &'a Tile,
    row: usize,
    column: usize,
    columns: usize,
}

impl Part<'_> {
    /// Does as many of the `left` rows as fit and says how many those were.
    #[inline(always)]
    unsafe fn rows<S: Simd, const VECTORS: usize>(&self, simd: S, left: usize) -> usize {
        // SAFETY: as for `registers`; no more rows are taken than are left.
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
    unsafe fn registers<S: Simd, const HIGH: usize, const VECTORS: usize>(&self, simd: S) {
        let lanes = S::F32_LANES;
        let Tile { depth, a_row, a_step, b_step, c_row, start, .. } = *self.tile;
        let whole = self.columns == VECTORS * lanes;
        // SAFETY: the pointers stay inside what the caller of `Tile::run` vouches for: rows below `tile.rows`, whole
        // vectors of `b` because those are padded, and vectors of `c` only where the part is as wide as they are.
        unsafe {
            let mut a = self.tile.a.add(self.row * a_row);
            let mut b = self.tile.b.add(self.column);
            let c = self.tile.c.add(self.row * c_row + self.column);
            // Only as much of it is read as was written before.
            let mut edge = [const { MaybeUninit::<f32>::uninit() }; ROWS * COLUMNS];
            let edge = edge.as_mut_ptr().cast::<f32>();
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; HIGH];
            match start {
                Start::Zero => {}
                Start::PerRow(numbers) => {
                    for (i, sums) in sums.iter_mut().enumerate() {
                        *sums = [simd.splat_f32s(*numbers.add(self.row + i)); VECTORS];
                    }
                }
                Start::PerColumn(numbers) => {
                    for j in 0..VECTORS {
                        let vector = load::<S>(numbers.add(self.column + j * lanes));
                        for sums in &mut sums {
                            sums[j] = vector;
                        }
                    }
                }
                Start::Output => {
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let mut from = c.add(i * c_row).cast_const();
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
                    let number = simd.splat_f32s(*a.add(i * a_row));
                    for (sum, vector) in sums.iter_mut().zip(row) {
                        *sum = simd.mul_add_e_f32s(number, vector, *sum);
                    }
                }
                a = a.wrapping_add(a_step);
                b = b.wrapping_add(b_step);
            }
            for (i, sums) in sums.iter().enumerate() {
                let to = c.add(i * c_row);
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

/// # Safety
/// A whole vector must be readable; it need not be aligned.
#[inline(always)]
pub unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: promised by the caller; any bits are a vector of floats.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// A whole vector must be writable; it need not be aligned.
#[inline(always)]
pub unsafe fn store<S: Simd>(at: *mut f32, vector: S::f32s) {
    // SAFETY: promised by the caller.
    unsafe { at.cast::<S::f32s>().write_unaligned(vector) }
}
