//! What is done number by number or row by row: normalisations and activations.

use pulp::{Simd, WithSimd};

use super::arch;
use super::math;
use super::threads::{self, Shared};
use super::tile::{load, store};

/// Numbers that one task of an activation takes.
const CHUNK: usize = 1 << 14;
/// An exponential, counted in multiplications.
const COST: usize = 16;

/// What is done to a number.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// x · Φ(x)
    Gelu,
    /// x · σ(slope · x)
    Swish(f32),
    Nothing,
}

/// Each number of x through the map.
pub fn map(x: &[f32], map: Map) -> Vec<f32> {
    let fill = |out: Shared| {
        threads::for_each(x.len().div_ceil(CHUNK), COST * x.len(), |task| {
            let x = &x[task * CHUNK..x.len().min((task + 1) * CHUNK)];
            // SAFETY: each task has its own part of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(task * CHUNK), x.len()) };
            arch().dispatch(Scaled { x, out, middle: 0.0, scale: 1.0, shift: 0.0, map });
        });
    };
    // SAFETY: the chunks cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// x + scale · y.
pub fn add_scaled(x: &[f32], y: &[f32], scale: f32) -> Vec<f32> {
    assert_eq!(x.len(), y.len(), "two of one size");
    let fill = |out: Shared| {
        threads::for_each(x.len().div_ceil(CHUNK), x.len(), |task| {
            let run = task * CHUNK..x.len().min((task + 1) * CHUNK);
            // SAFETY: each task has its own part of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(run.start), run.len()) };
            arch().dispatch(Sum { x: &x[run.clone()], y: &y[run], out, scale });
        });
    };
    // SAFETY: the chunks cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// Rows of 2·n numbers → rows of n: the first half times the GELU of the second.
pub fn geglu(x: &[f32], n: usize) -> Vec<f32> {
    let rows = x.len() / (2 * n);
    let fill = |out: Shared| {
        threads::for_each(rows, COST * rows * n, |row| {
            // SAFETY: each task has its own row of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * n), n) };
            let (x, gate) = x[row * 2 * n..][..2 * n].split_at(n);
            arch().dispatch(Gated { x, gate, out });
        });
    };
    // SAFETY: the rows cover the output.
    unsafe { super::filled(rows * n, fill) }
}

/// x = x · gelu(gate), within code that was compiled for the processor.
#[inline(always)]
pub fn gate<S: Simd>(simd: S, gate: &[f32], x: &mut [f32]) {
    let lanes = S::F32_LANES;
    assert_eq!(gate.len(), x.len());
    for (x, gate) in x.chunks_mut(lanes).zip(gate.chunks(lanes)) {
        let gated = Gate.of(simd, [simd.partial_load_f32s(x), simd.partial_load_f32s(gate)]);
        simd.partial_store_f32s(x, gated);
    }
}

/// Normalises runs of `channels / groups · plane` numbers, then scales and shifts each channel and maps what results.
/// x [batch, channels, plane].
pub fn group_norm(
    x: &[f32],
    (channels, plane): (usize, usize),
    groups: usize,
    (weight, bias): (&[f32], &[f32]),
    eps: f64,
    map: Map,
) -> Vec<f32> {
    let in_group = channels / groups;
    let size = in_group * plane;
    assert!(channels.is_multiple_of(groups) && x.len().is_multiple_of(channels * plane), "whole groups");
    assert!(weight.len() == channels && bias.len() == channels, "a weight and a bias for each channel");
    let fill = |out: Shared| {
        threads::for_each(x.len() / size, COST * x.len(), |group| {
            let x = &x[group * size..][..size];
            // SAFETY: each task has its own group of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(group * size), size) };
            let (mean, scale) = arch().dispatch(Moments { x, eps });
            let middle = mean as f32;
            for (i, (x, out)) in x.chunks_exact(plane).zip(out.chunks_exact_mut(plane)).enumerate() {
                let channel = group % groups * in_group + i;
                let scale = scale * f64::from(weight[channel]);
                let shift = f64::from(bias[channel]) - (mean - f64::from(middle)) * scale;
                arch().dispatch(Scaled { x, out, middle, scale: scale as f32, shift: shift as f32, map });
            }
        });
    };
    // SAFETY: the groups cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// Normalises rows of numbers, then scales and shifts each column.
pub fn layer_norm(x: &[f32], (weight, bias): (&[f32], &[f32]), eps: f64) -> Vec<f32> {
    let size = weight.len();
    assert!(bias.len() == size && x.len().is_multiple_of(size), "whole rows");
    // Rows in one task.
    let tall = (CHUNK / size).max(1);
    let fill = |out: Shared| {
        threads::for_each((x.len() / size).div_ceil(tall), 2 * x.len(), |task| {
            for (row, x) in x.chunks_exact(size).enumerate().skip(task * tall).take(tall) {
                // SAFETY: each row is in one task.
                let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * size), size) };
                let (mean, scale) = arch().dispatch(Moments { x, eps });
                arch().dispatch(Columns { x, weight, bias, out, mean: mean as f32, scale: scale as f32 });
            }
        });
    };
    // SAFETY: the rows cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// map((x − middle) · scale + shift).
struct Scaled<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
    middle: f32,
    scale: f32,
    shift: f32,
    map: Map,
}

impl WithSimd for Scaled<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let line = Line {
            middle: simd.splat_f32s(self.middle),
            scale: simd.splat_f32s(self.scale),
            shift: simd.splat_f32s(self.shift),
        };
        match self.map {
            Map::Gelu => vectors(simd, [self.x], self.out, Gelu(line)),
            Map::Swish(slope) => vectors(simd, [self.x], self.out, Swish(line, slope)),
            Map::Nothing => vectors(simd, [self.x], self.out, line),
        }
    }
}

/// x + scale · y.
struct Sum<'a> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
    scale: f32,
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        vectors(simd, [self.x, self.y], self.out, Added(simd.splat_f32s(self.scale)));
    }
}

/// x · gelu(gate).
struct Gated<'a> {
    x: &'a [f32],
    gate: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        vectors(simd, [self.x, self.gate], self.out, Gate);
    }
}

/// (x − mean) · scale · weight + bias.
struct Columns<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    out: &'a mut [f32],
    mean: f32,
    scale: f32,
}

impl WithSimd for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let line = Line {
            middle: simd.splat_f32s(self.mean),
            scale: simd.splat_f32s(self.scale),
            shift: simd.splat_f32s(0.0),
        };
        vectors(simd, [self.x, self.weight, self.bias], self.out, Weighed(line));
    }
}

/// A function of vectors. Not a closure, because a closure cannot be told to be inlined, and outside of the code that
/// was compiled for the processor each of its steps would be a call.
trait Function<S: Simd, const N: usize> {
    fn of(&self, simd: S, x: [S::f32s; N]) -> S::f32s;
}

/// (x − middle) · scale + shift.
struct Line<V> {
    middle: V,
    scale: V,
    shift: V,
}

struct Gelu<V>(Line<V>);
struct Swish<V>(Line<V>, f32);
struct Weighed<V>(Line<V>);
struct Gate;
struct Added<V>(V);

impl<S: Simd> Function<S, 1> for Line<S::f32s> {
    #[inline(always)]
    fn of(&self, simd: S, [x]: [S::f32s; 1]) -> S::f32s {
        simd.mul_add_e_f32s(simd.sub_f32s(x, self.middle), self.scale, self.shift)
    }
}

impl<S: Simd> Function<S, 1> for Gelu<S::f32s> {
    #[inline(always)]
    fn of(&self, simd: S, x: [S::f32s; 1]) -> S::f32s {
        math::gelu(simd, self.0.of(simd, x))
    }
}

impl<S: Simd> Function<S, 1> for Swish<S::f32s> {
    #[inline(always)]
    fn of(&self, simd: S, x: [S::f32s; 1]) -> S::f32s {
        math::swish(simd, self.0.of(simd, x), self.1)
    }
}

impl<S: Simd> Function<S, 3> for Weighed<S::f32s> {
    #[inline(always)]
    fn of(&self, simd: S, [x, weight, bias]: [S::f32s; 3]) -> S::f32s {
        simd.mul_add_e_f32s(self.0.of(simd, [x]), weight, bias)
    }
}

impl<S: Simd> Function<S, 2> for Added<S::f32s> {
    #[inline(always)]
    fn of(&self, simd: S, [x, y]: [S::f32s; 2]) -> S::f32s {
        simd.mul_add_e_f32s(y, self.0, x)
    }
}

impl<S: Simd> Function<S, 2> for Gate {
    #[inline(always)]
    fn of(&self, simd: S, [x, gate]: [S::f32s; 2]) -> S::f32s {
        simd.mul_f32s(x, math::gelu(simd, gate))
    }
}

/// out[i] = f(inputs[..][i]) in whole vectors, the last of which is filled up with zeros.
#[inline(always)]
fn vectors<S: Simd, const N: usize>(simd: S, inputs: [&[f32]; N], out: &mut [f32], f: impl Function<S, N>) {
    assert!(inputs.iter().all(|input| input.len() == out.len()));
    let lanes = S::F32_LANES;
    let whole = out.len() / lanes * lanes;
    let mut x = [simd.splat_f32s(0.0); N];
    for at in (0..whole).step_by(lanes) {
        // SAFETY: all are as long as the output, and a whole vector is left of it.
        unsafe {
            for (x, input) in x.iter_mut().zip(inputs) {
                *x = load::<S>(input.as_ptr().add(at));
            }
            store::<S>(out.as_mut_ptr().add(at), f.of(simd, x));
        }
    }
    if whole < out.len() {
        for (x, input) in x.iter_mut().zip(inputs) {
            *x = simd.partial_load_f32s(&input[whole..]);
        }
        simd.partial_store_f32s(&mut out[whole..], f.of(simd, x));
    }
}

/// The mean, and one over the standard deviation (with eps added to the variance), in double precision.
struct Moments<'a> {
    x: &'a [f32],
    eps: f64,
}

impl WithSimd for Moments<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let count = self.x.len() as f64;
        let mean = total(simd, self.x, 0.0, false) / count;
        // The middle in single precision: what is left of the mean next to it is taken off afterwards.
        let squares = total(simd, self.x, mean as f32, true) / count - (mean - f64::from(mean as f32)).powi(2);
        (mean, 1.0 / (squares.max(0.0) + self.eps).sqrt())
    }
}

/// The sum of x − middle, or of its square: short runs in vectors of single precision, their sums in double.
#[inline(always)]
fn total<S: Simd>(simd: S, x: &[f32], middle: f32, squared: bool) -> f64 {
    let lanes = S::F32_LANES;
    let vector_of_middle = simd.splat_f32s(middle);
    let mut total = 0.0;
    let mut runs = x.chunks_exact(4 * lanes);
    while runs.len() > 0 {
        let mut sums = [simd.splat_f32s(0.0); 4];
        for run in runs.by_ref().take(16) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a run is four vectors long.
                let away = simd.sub_f32s(unsafe { load::<S>(run.as_ptr().add(i * lanes)) }, vector_of_middle);
                let factor = if squared { away } else { simd.splat_f32s(1.0) };
                *sum = simd.mul_add_e_f32s(away, factor, *sum);
            }
        }
        let sum = simd.add_f32s(simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3]));
        total += f64::from(simd.reduce_sum_f32s(sum));
    }
    for number in runs.remainder() {
        let away = f64::from(number - middle);
        total += if squared { away * away } else { away };
    }
    total
}
