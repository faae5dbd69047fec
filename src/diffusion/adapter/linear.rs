//! The plain adapter: one linear layer turns the picture's projected embedding into all tokens
//! (tencent-ailab/IP-Adapter, `ImageProjModel`).

use candle_core::Tensor;

use super::layout::{EPS, not_an_adapter, shape1, shape2};
use crate::diffusion::checkpoint::Weights;
use crate::diffusion::ops::{LayerNorm, Linear};
use crate::diffusion::{Result, layers};

/// tokens = norm(reshape(W·x + b, T, C)).
pub struct LinearProjection {
    proj: Linear,
    norm: LayerNorm,
    tokens: usize,
    context: usize,
    feature: usize,
}

/// Whether a tensor below `image_proj` belongs to this kind of adapter.
pub(super) fn knows(name: &str) -> bool {
    matches!(name, "proj.weight" | "proj.bias" | "norm.weight" | "norm.bias")
}

impl LinearProjection {
    pub(super) fn load(weights: &Weights) -> Result<Self> {
        let (rows, feature) = shape2(weights, "proj.weight")?;
        let context = shape1(weights, "norm.weight")?;
        if rows % context != 0 {
            let reason = format!("image_proj.proj.weight has {rows} rows, not a multiple of the norm's {context}");
            return Err(not_an_adapter(weights, reason));
        }
        Ok(Self {
            proj: layers::linear(&weights.pp("proj"), feature, rows)?,
            norm: layers::layer_norm(&weights.pp("norm"), context, EPS)?,
            tokens: rows / context,
            context,
            feature,
        })
    }

    /// image_embeds [batch, E] → [batch, T, C].
    pub(super) fn forward(&self, image_embeds: &Tensor) -> Result<Tensor> {
        let batch = image_embeds.dim(0)?;
        let tokens = self.proj.forward(image_embeds)?.reshape((batch, self.tokens, self.context))?;
        Ok(self.norm.forward(&tokens)?)
    }

    /// The width E of the `image_embeds` that it reads.
    pub(super) fn feature(&self) -> usize {
        self.feature
    }

    /// The width C of its tokens.
    pub(super) fn context(&self) -> usize {
        self.context
    }
}
