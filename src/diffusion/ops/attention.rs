//! Scaled dot-product attention over heads.

use candle_core::{D, Result, Tensor};

/// softmax(q·kᵀ/√d)·v for each head.
///
/// q [batch, queries, heads·d], k and v [batch, keys, heads·d] → [batch, queries, heads·d].
/// `causal` hides from each query the keys that come after it.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (batch, queries, inner) = q.dims3()?;
    let keys = k.dim(1)?;
    let d = inner / heads;
    let split = |x: &Tensor, n: usize| x.reshape((batch, n, heads, d))?.transpose(1, 2)?.contiguous();
    let (q, k, v) = (split(q, queries)?, split(k, keys)?, split(v, keys)?);
    let q = (q * (1.0 / (d as f64).sqrt()))?;
    let mut scores = q.matmul(&k.t()?)?;
    if causal {
        let mask: Vec<f32> =
            (0..queries).flat_map(|i| (0..keys).map(move |j| if j > i { f32::NEG_INFINITY } else { 0.0 })).collect();
        let mask = Tensor::from_vec(mask, (queries, keys), scores.device())?.to_dtype(scores.dtype())?;
        scores = scores.broadcast_add(&mask)?;
    }
    let weights = candle_nn::ops::softmax_last_dim(&scores.contiguous()?)?;
    debug_assert_eq!(weights.dim(D::Minus1)?, keys);
    weights.matmul(&v)?.transpose(1, 2)?.reshape((batch, queries, inner))
}
