//! Group and layer normalisation. Means and variances are computed in double precision.

use pulp::{Simd, WithSimd};

use super::arch;
use super::elementwise::{CHUNK, EXP_COST, Map, MapAffine};
use super::threads::{self, OutputPtr};
use super::tile::load;
use super::vectors::{self, Affine, WeightedAffine};

/// Normalises x [batch, channels, plane] over groups of channels, scales and shifts each channel, then applies `map`.
/// `weight` and `bias` are [channels].
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
    let groups_are_whole = channels.is_multiple_of(groups) && x.len().is_multiple_of(channels * plane);
    assert!(groups_are_whole, "the channels must form whole groups");
    assert!(weight.len() == channels && bias.len() == channels, "each channel needs a weight and a bias");
    let fill = |out: OutputPtr| {
        threads::for_each(x.len() / size, EXP_COST * x.len(), |group| {
            let x = &x[group * size..][..size];
            // SAFETY: each task has its own group of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(group * size), size) };
            let (mean, scale) = arch().dispatch(Moments { x, eps });
            let center = mean as f32;
            for (i, (x, out)) in x.chunks_exact(plane).zip(out.chunks_exact_mut(plane)).enumerate() {
                let channel = group % groups * in_group + i;
                let scale = scale * f64::from(weight[channel]);
                // The shift also corrects for rounding the mean to float32.
                let shift = f64::from(bias[channel]) - (mean - f64::from(center)) * scale;
                arch().dispatch(MapAffine { x, out, center, scale: scale as f32, shift: shift as f32, map });
            }
        });
    };
    // SAFETY: the groups cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// Normalises each row of x [rows, size], then scales and shifts each column. `weight` and `bias` are [size].
pub fn layer_norm(x: &[f32], (weight, bias): (&[f32], &[f32]), eps: f64) -> Vec<f32> {
    let size = weight.len();
    assert!(bias.len() == size && x.len().is_multiple_of(size), "the input must have whole rows");
    let task_rows = (CHUNK / size).max(1);
    let fill = |out: OutputPtr| {
        threads::for_each((x.len() / size).div_ceil(task_rows), 2 * x.len(), |task| {
            for (row, x) in x.chunks_exact(size).enumerate().skip(task * task_rows).take(task_rows) {
                // SAFETY: each row belongs to one task.
                let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * size), size) };
                let (mean, scale) = arch().dispatch(Moments { x, eps });
                arch().dispatch(NormalizeRow { x, weight, bias, out, mean: mean as f32, scale: scale as f32 });
            }
        });
    };
    // SAFETY: the rows cover the output.
    unsafe { super::filled(x.len(), fill) }
}

/// out = (x − mean) · scale · weight + bias.
struct NormalizeRow<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    out: &'a mut [f32],
    mean: f32,
    scale: f32,
}

impl WithSimd for NormalizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let affine = Affine {
            center: simd.splat_f32s(self.mean),
            scale: simd.splat_f32s(self.scale),
            shift: simd.splat_f32s(0.0),
        };
        vectors::apply(simd, [self.x, self.weight, self.bias], self.out, WeightedAffine(affine));
    }
}

/// Computes the mean and 1 / √(variance + eps).
struct Moments<'a> {
    x: &'a [f32],
    eps: f64,
}

impl WithSimd for Moments<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let count = self.x.len() as f64;
        let mean = sum_around(simd, self.x, 0.0, false) / count;
        // The squares are around the mean rounded to float32. The second term corrects for the rounding.
        let squares = sum_around(simd, self.x, mean as f32, true) / count - (mean - f64::from(mean as f32)).powi(2);
        (mean, 1.0 / (squares.max(0.0) + self.eps).sqrt())
    }
}

/// The sum of (x − center), or of its square. Short runs are summed in float32 vectors, and those sums in float64.
#[inline(always)]
fn sum_around<S: Simd>(simd: S, x: &[f32], center: f32, squared: bool) -> f64 {
    let lanes = S::F32_LANES;
    let center_vector = simd.splat_f32s(center);
    let mut total = 0.0;
    let mut runs = x.chunks_exact(4 * lanes);
    while runs.len() > 0 {
        let mut sums = [simd.splat_f32s(0.0); 4];
        for run in runs.by_ref().take(16) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a run is four vectors long.
                let offset = simd.sub_f32s(unsafe { load::<S>(run.as_ptr().add(i * lanes)) }, center_vector);
                let factor = if squared { offset } else { simd.splat_f32s(1.0) };
                *sum = simd.mul_add_e_f32s(offset, factor, *sum);
            }
        }
        let sum = simd.add_f32s(simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3]));
        total += f64::from(simd.reduce_sum_f32s(sum));
    }
    for value in runs.remainder() {
        let offset = f64::from(value - center);
        total += if squared { offset * offset } else { offset };
    }
    total
}
