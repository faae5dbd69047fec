//! Attention that never stores all scores. Up to 48 queries of one head walk over the keys in blocks, and each query
//! keeps its largest score and its sum so far (online softmax: Milakov and Gimelshein 2018; FlashAttention: Dao et
//! al. 2022).
//!
//! Scores are stored transposed, [keys, queries]. So each query is one vector lane of the softmax, keys and values are
//! read in place, and the weights can be the right-hand side of the second product as they are.

use pulp::{Simd, WithSimd};

use super::arch;
use super::math::exp2;
use super::threads::{self, OutputPtr};
use super::tile::{COLUMNS, Init, PADDED, ROWS, Tile, load, store};

/// Keys per block: their scores against 48 queries take 24 KiB.
const KEYS: usize = 128;

/// Sizes of q [batch, queries, heads · size], and of k and v [batch, keys, heads · size].
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub batch: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub size: usize,
    /// Whether each query attends only to the keys up to its own position.
    pub causal: bool,
}

/// softmax(q·kᵀ/√size)·v for each head, in the shape of q.
pub fn attend(q: &[f32], k: &[f32], v: &[f32], heads: Heads) -> Vec<f32> {
    let Heads { batch, heads: count, queries, keys, size, .. } = heads;
    let inner = count * size;
    assert!(q.len() == batch * queries * inner && k.len() == batch * keys * inner && v.len() == k.len(), "{heads:?}");
    let panels = queries.div_ceil(COLUMNS);
    let panel = queries.div_ceil(panels.max(1)).next_multiple_of(PADDED);
    let panels = queries.div_ceil(panel);
    let fill = |out: OutputPtr| {
        threads::for_each(batch * count * panels, 2 * batch * queries * keys * inner, |task| {
            let (image, head, first) = (task / panels / count, task / panels % count, task % panels * panel);
            let part = |rows: usize| image * rows * inner + head * size..(image + 1) * rows * inner;
            let (q, k, v) = (&q[part(queries)], &k[part(keys)], &v[part(keys)]);
            threads::with_scratch((2 * size + KEYS + 2) * COLUMNS, |scratch| {
                let out = OutputPtr::new(out.get().wrapping_add((image * queries + first) * inner + head * size));
                let queries = first..queries.min(first + panel);
                arch().dispatch(Panel { q, k, v, heads, inner, queries, out, scratch });
            });
        });
    };
    // SAFETY: images × heads × panels cover the output without overlap, and each task fills its part.
    unsafe { super::filled(batch * queries * inner, fill) }
}

/// One task: some queries of one head of one image. The slices begin at the head's first value.
struct Panel<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    heads: Heads,
    /// heads · size: from one query, key or value to the next.
    inner: usize,
    queries: std::ops::Range<usize>,
    out: OutputPtr,
    scratch: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { q, k, v, inner, .. } = self;
        let Heads { size, causal, .. } = self.heads;
        let (columns, lanes) = (self.queries.len(), S::F32_LANES);
        let padded = columns.next_multiple_of(PADDED);
        let (scaled_q, rest) = self.scratch.split_at_mut(size * COLUMNS);
        let (sums, rest) = rest.split_at_mut(size * COLUMNS);
        let (scores, rest) = rest.split_at_mut(KEYS * COLUMNS);
        let (largest, totals) = rest.split_at_mut(COLUMNS);
        // q transposed to [size, padded], scaled so that the softmax can use powers of two.
        let scale = std::f32::consts::LOG2_E / (size as f32).sqrt();
        scaled_q[..size * padded].fill(0.0);
        for (column, row) in self.queries.clone().enumerate() {
            for (step, value) in q[row * inner..][..size].iter().enumerate() {
                scaled_q[step * padded + column] = value * scale;
            }
        }
        sums[..size * padded].fill(0.0);
        // Below every score, yet small enough that subtracting a score cannot overflow.
        largest.fill(-1e30);
        totals.fill(0.0);
        let keys = if causal { self.heads.keys.min(self.queries.end) } else { self.heads.keys };
        for first in (0..keys).step_by(KEYS) {
            let keys = KEYS.min(keys - first);
            // scores [keys, padded] = k [keys, size] · q [size, padded]
            for row in (0..keys).step_by(ROWS) {
                let tile = Tile {
                    rows: ROWS.min(keys - row),
                    columns: padded,
                    depth: size,
                    a: k[(first + row) * inner..].as_ptr(),
                    a_row_stride: inner,
                    a_column_stride: 1,
                    b: scaled_q.as_ptr(),
                    b_row_stride: padded,
                    c: scores[row * padded..].as_mut_ptr(),
                    c_row_stride: padded,
                    init: Init::Zero,
                };
                // SAFETY: the keys are within `k`; `scaled_q` and `scores` belong to this task and are long enough.
                unsafe { tile.run(simd) };
            }
            if causal {
                mask_future_keys(scores, padded, first..first + keys, self.queries.clone());
            }
            for column in (0..padded).step_by(lanes) {
                // SAFETY: a whole vector from `column` on lies within the `padded` values of each row.
                unsafe { update_softmax(simd, column, padded, keys, size, scores, sums, largest, totals) };
            }
            // sums [size, padded] += vᵀ [size, keys] · weights [keys, padded]
            for row in (0..size).step_by(ROWS) {
                let tile = Tile {
                    rows: ROWS.min(size - row),
                    columns: padded,
                    depth: keys,
                    a: v[first * inner + row..].as_ptr(),
                    a_row_stride: 1,
                    a_column_stride: inner,
                    b: scores.as_ptr(),
                    b_row_stride: padded,
                    c: sums[row * padded..].as_mut_ptr(),
                    c_row_stride: padded,
                    init: Init::Output,
                };
                // SAFETY: the values are within `v`; `scores` and `sums` belong to this task and are long enough.
                unsafe { tile.run(simd) };
            }
        }
        for column in 0..columns {
            let share = 1.0 / totals[column];
            for step in 0..size {
                // SAFETY: only this task writes this row of this head.
                unsafe { *self.out.get().add(column * inner + step) = sums[step * padded + column] * share };
            }
        }
    }
}

/// Excludes from each query's softmax the keys that come after it.
fn mask_future_keys(scores: &mut [f32], padded: usize, keys: std::ops::Range<usize>, queries: std::ops::Range<usize>) {
    for (row, key) in keys.enumerate() {
        let masked = key.saturating_sub(queries.start).min(padded);
        scores[row * padded..][..masked].fill(-2e30);
    }
}

/// One step of the online softmax for one vector of queries. It turns the scores of a block into weights relative to
/// the largest score so far, and rescales the earlier sums to match.
///
/// # Safety
/// A vector from `column` on must lie within `padded`. `scores` has `keys` rows and `sums` has `size` rows, each of
/// `padded` values.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn update_softmax<S: Simd>(
    simd: S,
    column: usize,
    padded: usize,
    keys: usize,
    size: usize,
    scores: &mut [f32],
    sums: &mut [f32],
    largest: &mut [f32],
    totals: &mut [f32],
) {
    assert!(scores.len() >= keys * padded && sums.len() >= size * padded);
    // SAFETY: the caller guarantees the column, and the assertion checks the lengths.
    unsafe {
        let scores = scores.as_mut_ptr().add(column);
        let before = load::<S>(largest.as_ptr().add(column));
        // Four maxima at once, so that the comparisons need not wait for each other.
        let mut maxima = [before; 4];
        for row in 0..keys {
            maxima[row % 4] = simd.max_f32s(maxima[row % 4], load::<S>(scores.add(row * padded)));
        }
        let now = simd.max_f32s(simd.max_f32s(maxima[0], maxima[1]), simd.max_f32s(maxima[2], maxima[3]));
        let mut total = simd.splat_f32s(0.0);
        for row in 0..keys {
            let at = scores.add(row * padded);
            let weight = exp2(simd, simd.sub_f32s(load::<S>(at), now));
            total = simd.add_f32s(total, weight);
            store::<S>(at, weight);
        }
        let rescale = exp2(simd, simd.sub_f32s(before, now));
        let totals = totals.as_mut_ptr().add(column);
        store::<S>(totals, simd.mul_add_e_f32s(load::<S>(totals), rescale, total));
        store::<S>(largest.as_mut_ptr().add(column), now);
        for step in 0..size {
            let at = sums.as_mut_ptr().add(step * padded + column);
            store::<S>(at, simd.mul_f32s(load::<S>(at), rescale));
        }
    }
}
