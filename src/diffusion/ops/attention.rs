//! Multi-head scaled dot-product attention.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::cpu::flash::{self, Heads};
use super::cpu::{slice, supports};

/// softmax(q·kᵀ/√d)·v for each head.
///
/// q [batch, queries, heads·d], k and v [batch, keys, heads·d] → [batch, queries, heads·d].
/// With `causal`, each query attends only to the keys up to its own position.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    if supports(q) {
        return q.contiguous()?.apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, &Kernel { heads, causal });
    }
    attention_with_candle(q, k, v, heads, causal)
}

/// The same with candle's operations, which hold all scores in memory: [batch, heads, queries, keys].
fn attention_with_candle(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (batch, queries, inner) = q.dims3()?;
    let keys = k.dim(1)?;
    let d = inner / heads;
    let split = |x: &Tensor, n: usize| x.reshape((batch, n, heads, d))?.transpose(1, 2)?.contiguous();
    let (q, k, v) = (split(q, queries)?, split(k, keys)?, split(v, keys)?);
    let q = (q * (1.0 / (d as f64).sqrt()))?;
    let mut scores = q.matmul(&k.t()?)?; // [batch, heads, queries, keys]
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

struct Kernel {
    heads: usize,
    causal: bool,
}

impl CustomOp3 for Kernel {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, queries, inner) = q_layout.shape().dims3()?;
        let (_, keys, _) = k_layout.shape().dims3()?;
        let shapes_fit = k_layout.dims() == [batch, keys, inner] && v_layout.dims() == k_layout.dims();
        if !shapes_fit || self.heads == 0 || !inner.is_multiple_of(self.heads) || keys == 0 {
            let (q, k, v) = (q_layout.dims(), k_layout.dims(), v_layout.dims());
            candle_core::bail!("queries {q:?}, keys {k:?} and values {v:?} do not fit {} heads", self.heads);
        }
        let size = inner / self.heads;
        let heads = Heads { batch, heads: self.heads, queries, keys, size, causal: self.causal };
        let y = flash::attend(slice(q, q_layout)?, slice(k, k_layout)?, slice(v, v_layout)?, heads);
        Ok((CpuStorage::F32(y), q_layout.shape().clone()))
    }
}
