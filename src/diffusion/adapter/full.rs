//! The full adapter: a small network turns each of the encoder's hidden states into one token
//! (tencent-ailab/IP-Adapter, `MLPProjModel`).

use candle_core::Tensor;

use super::layout::{EPS, shape2};
use crate::diffusion::checkpoint::Weights;
use crate::diffusion::ops::{Activation, LayerNorm, Linear};
use crate::diffusion::{Result, layers};

/// tokens = norm(W₂·gelu(W₀·h + b₀) + b₂).
pub struct FullProjection {
    first: Linear,
    second: Linear,
    norm: LayerNorm,
    context: usize,
    feature: usize,
}

/// Whether a tensor below `image_proj` belongs to this kind of adapter.
pub(super) fn knows(name: &str) -> bool {
    matches!(name.strip_suffix(".weight").or(name.strip_suffix(".bias")), Some("proj.0" | "proj.2" | "proj.3"))
}

impl FullProjection {
    pub(super) fn load(weights: &Weights) -> Result<Self> {
        let (inner, feature) = shape2(weights, "proj.0.weight")?;
        let (context, _) = shape2(weights, "proj.2.weight")?;
        Ok(Self {
            first: layers::linear(&weights.pp("proj.0"), feature, inner)?,
            second: layers::linear(&weights.pp("proj.2"), inner, context)?,
            norm: layers::layer_norm(&weights.pp("proj.3"), context, EPS)?,
            context,
            feature,
        })
    }

    /// hidden states [batch, N, E] → [batch, N, C].
    pub(super) fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        let inner = Activation::Gelu.forward(&self.first.forward(hidden)?)?;
        Ok(self.norm.forward(&self.second.forward(&inner)?)?)
    }

    /// The width E of the hidden states that it reads.
    pub(super) fn feature(&self) -> usize {
        self.feature
    }

    /// The width C of its tokens.
    pub(super) fn context(&self) -> usize {
        self.context
    }
}
