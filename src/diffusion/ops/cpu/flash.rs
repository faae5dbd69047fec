//! Attention without a table of scores: 48 queries of one head at a time walk over the keys in blocks, keeping the
//! largest score and the sum so far (Milakov and Gimelshein 2018; Dao et al. 2022, FlashAttention).
//!
//! Scores lie with the queries side by side, so that the softmax of each is a lane of its own, keys and values are
//! read from where they are, and the weights are the right-hand side of the second product as they come out.

use pulp::{Simd, WithSimd};

use super::arch;
use super::math::exp2;
use super::threads::{self, Shared};
use super::tile::{COLUMNS, PADDED, ROWS, Start, Tile, load, store};

/// Keys at a time: their scores against 48 queries are 24 KiB.
const KEYS: usize = 128;

/// Sizes of q [batch, queries, heads · size] and of k and v [batch, keys, heads · size].
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub batch: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub size: usize,
    /// Whether a query is kept from keys after its own place.
    pub causal: bool,
}

/// softmax(q·kᵀ/√size)·v for each head, shaped as q.
pub fn attend(q: &[f32], k: &[f32], v: &[f32], heads: Heads) -> Vec<f32> {
    let Heads { batch, heads: count, queries, keys, size, .. } = heads;
    let inner = count * size;
    assert!(q.len() == batch * queries * inner && k.len() == batch * keys * inner && v.len() == k.len(), "{heads:?}");
    let panels = queries.div_ceil(COLUMNS);
    let panel = queries.div_ceil(panels.max(1)).next_multiple_of(PADDED);
    let panels = queries.div_ceil(panel);
    let fill = |out: Shared| {
        threads::for_each(batch * count * panels, 2 * batch * queries * keys * inner, |task| {
            let (image, head, first) = (task / panels / count, task / panels % count, task % panels * panel);
            let part = |rows: usize| image * rows * inner + head * size..(image + 1) * rows * inner;
            let (q, k, v) = (&q[part(queries)], &k[part(keys)], &v[part(keys)]);
            threads::with_scratch((2 * size + KEYS + 2) * COLUMNS, |scratch| {
                let out = Shared::new(out.get().wrapping_add((image * queries + first) * inner + head * size));
                let queries = first..queries.min(first + panel);
                arch().dispatch(Panel { q, k, v, heads, inner, queries, out, scratch });
            });
        });
    };
    // SAFETY: images × heads × panels cover the output without overlap, and each task writes all of its own.
    unsafe { super::filled(batch * queries * inner, fill) }
}

/// Some queries of one head of one image; the slices begin at the head's first number.
struct Panel<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    heads: Heads,
    inner: usize,
    queries: std::ops::Range<usize>,
    out: Shared,
    scratch: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { q, k, v, inner, .. } = self;
        let Heads { size, causal, .. } = self.heads;
        let (columns, lanes) = (self.queries.len(), S::F32_LANES);
        let wide = columns.next_multiple_of(PADDED);
        let (asked, rest) = self.scratch.split_at_mut(size * COLUMNS);
        let (sums, rest) = rest.split_at_mut(size * COLUMNS);
        let (scores, rest) = rest.split_at_mut(KEYS * COLUMNS);
        let (largest, totals) = rest.split_at_mut(COLUMNS);
        // q transposed to [size, wide], in units in which the softmax is one of powers of two.
        let scale = std::f32::consts::LOG2_E / (size as f32).sqrt();
        asked[..size * wide].fill(0.0);
        for (column, row) in self.queries.clone().enumerate() {
            for (step, number) in q[row * inner..][..size].iter().enumerate() {
                asked[step * wide + column] = number * scale;
            }
        }
        sums[..size * wide].fill(0.0);
        // Far below every score, and far from overflowing when one is subtracted.
        largest.fill(-1e30);
        totals.fill(0.0);
        let keys = if causal { self.heads.keys.min(self.queries.end) } else { self.heads.keys };
        for first in (0..keys).step_by(KEYS) {
            let keys = KEYS.min(keys - first);
            // [keys, wide] = k [keys, size] · q [size, wide]
            for row in (0..keys).step_by(ROWS) {
                let tile = Tile {
                    rows: ROWS.min(keys - row),
                    columns: wide,
                    depth: size,
                    a: k[(first + row) * inner..].as_ptr(),
                    a_row: inner,
                    a_step: 1,
                    b: asked.as_ptr(),
                    b_step: wide,
                    c: scores[row * wide..].as_mut_ptr(),
                    c_row: wide,
                    start: Start::Zero,
                };
                // SAFETY: the keys are within `k`; `asked` and `scores` are this task's and long enough.
                unsafe { tile.run(simd) };
            }
            if causal {
                hide(scores, wide, first..first + keys, self.queries.clone());
            }
            for column in (0..wide).step_by(lanes) {
                // SAFETY: `column` is a multiple of the lanes below `wide`, which every row of these is long.
                unsafe { soften(simd, column, wide, keys, size, scores, sums, largest, totals) };
            }
            // [size, wide] += vᵀ [size, keys] · weights [keys, wide]
            for row in (0..size).step_by(ROWS) {
                let tile = Tile {
                    rows: ROWS.min(size - row),
                    columns: wide,
                    depth: keys,
                    a: v[first * inner + row..].as_ptr(),
                    a_row: 1,
                    a_step: inner,
                    b: scores.as_ptr(),
                    b_step: wide,
                    c: sums[row * wide..].as_mut_ptr(),
                    c_row: wide,
                    start: Start::Output,
                };
                // SAFETY: the values are within `v`; `scores` and `sums` are this task's and long enough.
                unsafe { tile.run(simd) };
            }
        }
        for column in 0..columns {
            let share = 1.0 / totals[column];
            for step in 0..size {
                // SAFETY: this row of this head in the output is this task's alone.
                unsafe { *self.out.get().add(column * inner + step) = sums[step * wide + column] * share };
            }
        }
    }
}

/// Takes the keys that come after a query out of its softmax.
fn hide(scores: &mut [f32], wide: usize, keys: std::ops::Range<usize>, queries: std::ops::Range<usize>) {
    for (row, key) in keys.enumerate() {
        let hidden = key.saturating_sub(queries.start).min(wide);
        scores[row * wide..][..hidden].fill(-2e30);
    }
}

/// One vector of queries: scores become weights against the largest score so far, and what was summed before is
/// scaled to match.
///
/// # Safety
/// A vector from `column` on must lie within `wide`; `scores` has `keys` rows and `sums` `size` rows of `wide`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn soften<S: Simd>(
    simd: S,
    column: usize,
    wide: usize,
    keys: usize,
    size: usize,
    scores: &mut [f32],
    sums: &mut [f32],
    largest: &mut [f32],
    totals: &mut [f32],
) {
    assert!(scores.len() >= keys * wide && sums.len() >= size * wide);
    // SAFETY: promised by the caller, and asserted for the lengths.
    unsafe {
        let scores = scores.as_mut_ptr().add(column);
        let before = load::<S>(largest.as_ptr().add(column));
        let mut most = [before; 4];
        for row in 0..keys {
            most[row % 4] = simd.max_f32s(most[row % 4], load::<S>(scores.add(row * wide)));
        }
        let most = simd.max_f32s(simd.max_f32s(most[0], most[1]), simd.max_f32s(most[2], most[3]));
        let mut total = simd.splat_f32s(0.0);
        for row in 0..keys {
            let at = scores.add(row * wide);
            let weight = exp2(simd, simd.sub_f32s(load::<S>(at), most));
            total = simd.add_f32s(total, weight);
            store::<S>(at, weight);
        }
        let fade = exp2(simd, simd.sub_f32s(before, most));
        let totals = totals.as_mut_ptr().add(column);
        store::<S>(totals, simd.mul_add_e_f32s(load::<S>(totals), fade, total));
        store::<S>(largest.as_mut_ptr().add(column), most);
        for step in 0..size {
            let at = sums.as_mut_ptr().add(step * wide + column);
            store::<S>(at, simd.mul_f32s(load::<S>(at), fade));
        }
    }
}
