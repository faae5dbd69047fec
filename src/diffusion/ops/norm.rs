//! Group normalisation, alone and with the SiLU that follows it in every residual block.

use candle_core::{Result as TensorResult, Tensor};

use crate::diffusion::Result;

/// Normalises [batch, channels, …] over groups of channels, then scales and shifts each channel.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    inner: candle_nn::GroupNorm,
}

impl GroupNorm {
    pub fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Result<Self> {
        let channels = weight.dim(0)?;
        Ok(Self { inner: candle_nn::GroupNorm::new(weight, bias, channels, groups, eps)? })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        x.apply(&self.inner)
    }

    /// silu(norm(x)).
    pub fn forward_silu(&self, x: &Tensor) -> TensorResult<Tensor> {
        self.forward(x)?.silu()
    }
}
