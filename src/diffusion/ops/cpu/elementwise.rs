//! Activations and sums, one element at a time.

use pulp::{Simd, WithSimd};

use super::arch;
use super::threads::{self, OutputPtr};
use super::vectors::{self, AddScaled, Affine, AffineGelu, AffineSwish, GeluGate, VectorFn};

/// Elements per task.
pub const CHUNK: usize = 1 << 14;
/// The cost of an exponential, in multiplications.
pub const EXP_COST: usize = 16;

/// A function of one value.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    Identity,
    /// x · Φ(x)
    Gelu,
    /// x · σ(slope · x)
    Swish(f32),
}

/// Applies the function to each value of `x`.
pub fn map(x: &[f32], map: Map) -> Vec<f32> {
    let fill = |out: OutputPtr| {
        threads::for_each(x.len().div_ceil(CHUNK), EXP_COST * x.len(), |task| {
            let x = &x[task * CHUNK..x.len().min((task + 1) * CHUNK)];
            // SAFETY: each task has its own part of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(task * CHUNK), x.len()) };
            arch().dispatch(MapAffine { x, out, center: 0.0, scale: 1.0, shift: 0.0, map });
        });
    };
    // SAFETY: the chunks cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// x + scale · y.
pub fn add_scaled(x: &[f32], y: &[f32], scale: f32) -> Vec<f32> {
    assert_eq!(x.len(), y.len(), "both addends must have the same size");
    let fill = |out: OutputPtr| {
        threads::for_each(x.len().div_ceil(CHUNK), x.len(), |task| {
            let run = task * CHUNK..x.len().min((task + 1) * CHUNK);
            // SAFETY: each task has its own part of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(run.start), run.len()) };
            arch().dispatch(ScaledSum { x: &x[run.clone()], y: &y[run], out, scale });
        });
    };
    // SAFETY: the chunks cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// [rows, 2·n] → [rows, n]: the first half of each row times the GELU of the second half.
pub fn geglu(x: &[f32], n: usize) -> Vec<f32> {
    let rows = x.len() / (2 * n);
    let fill = |out: OutputPtr| {
        threads::for_each(rows, EXP_COST * rows * n, |row| {
            // SAFETY: each task has its own row of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * n), n) };
            let (x, gate) = x[row * 2 * n..][..2 * n].split_at(n);
            arch().dispatch(Geglu { x, gate, out });
        });
    };
    // SAFETY: the rows cover the output.
    unsafe { super::filled(rows * n, fill) }
}

/// x = x · gelu(gate). For use inside code that is already compiled for the processor.
#[inline(always)]
pub fn gelu_gate<S: Simd>(simd: S, gate: &[f32], x: &mut [f32]) {
    let lanes = S::F32_LANES;
    assert_eq!(gate.len(), x.len());
    for (x, gate) in x.chunks_mut(lanes).zip(gate.chunks(lanes)) {
        let gated = GeluGate.apply(simd, [simd.partial_load_f32s(x), simd.partial_load_f32s(gate)]);
        simd.partial_store_f32s(x, gated);
    }
}

/// out = map((x − center) · scale + shift).
pub struct MapAffine<'a> {
    pub x: &'a [f32],
    pub out: &'a mut [f32],
    pub center: f32,
    pub scale: f32,
    pub shift: f32,
    pub map: Map,
}

impl WithSimd for MapAffine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let affine = Affine {
            center: simd.splat_f32s(self.center),
            scale: simd.splat_f32s(self.scale),
            shift: simd.splat_f32s(self.shift),
        };
        match self.map {
            Map::Identity => vectors::apply(simd, [self.x], self.out, affine),
            Map::Gelu => vectors::apply(simd, [self.x], self.out, AffineGelu(affine)),
            Map::Swish(slope) => vectors::apply(simd, [self.x], self.out, AffineSwish(affine, slope)),
        }
    }
}

struct ScaledSum<'a> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
    scale: f32,
}

impl WithSimd for ScaledSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        vectors::apply(simd, [self.x, self.y], self.out, AddScaled(simd.splat_f32s(self.scale)));
    }
}

struct Geglu<'a> {
    x: &'a [f32],
    gate: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Geglu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        vectors::apply(simd, [self.x, self.gate], self.out, GeluGate);
    }
}
