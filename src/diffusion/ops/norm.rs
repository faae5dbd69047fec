//! Normalisation: by groups of channels, alone and with the SiLU that follows it in every residual block; by rows.

use candle_core::{CpuStorage, CustomOp3, Layout, Module, Result as TensorResult, Shape, Tensor};

use super::cpu::rows::{self, Map};
use super::cpu::{slice, takes};
use crate::diffusion::Result;

/// Normalises [batch, channels, …] over groups of channels, then scales and shifts each channel.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
    inner: candle_nn::GroupNorm,
}

impl GroupNorm {
    pub fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Result<Self> {
        let channels = weight.dim(0)?;
        let inner = candle_nn::GroupNorm::new(weight.clone(), bias.clone(), channels, groups, eps)?;
        Ok(Self { weight: weight.contiguous()?, bias: bias.contiguous()?, groups, eps, inner })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        if takes(x) { self.on_cpu(x, Map::Nothing) } else { x.apply(&self.inner) }
    }

    /// silu(norm(x)).
    pub fn forward_silu(&self, x: &Tensor) -> TensorResult<Tensor> {
        if takes(x) { self.on_cpu(x, Map::Swish(1.0)) } else { x.apply(&self.inner)?.silu() }
    }

    fn on_cpu(&self, x: &Tensor, map: Map) -> TensorResult<Tensor> {
        let kernel = GroupNormKernel { groups: self.groups, eps: self.eps, map };
        x.contiguous()?.apply_op3_no_bwd(&self.weight, &self.bias, &kernel)
    }
}

struct GroupNormKernel {
    groups: usize,
    eps: f64,
    map: Map,
}

impl CustomOp3 for GroupNormKernel {
    fn name(&self) -> &'static str {
        "group-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> TensorResult<(CpuStorage, Shape)> {
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let [_, channels, plane @ ..] = x_layout.dims() else {
            candle_core::bail!("group norm needs a batch and channels, not {:?}", x_layout.dims());
        };
        if *channels != weight.len() {
            candle_core::bail!("the group norm is for {} channels and was given {channels}", weight.len());
        }
        let shape = (*channels, plane.iter().product());
        let y = rows::group_norm(slice(x, x_layout)?, shape, self.groups, (weight, bias), self.eps, self.map);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}

/// Normalises the last dimension, then scales and shifts each of its places.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Result<Self> {
        Ok(Self { weight: weight.contiguous()?, bias: bias.contiguous()?, eps })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        if takes(x) {
            x.contiguous()?.apply_op3_no_bwd(&self.weight, &self.bias, &LayerNormKernel { eps: self.eps })
        } else {
            candle_nn::LayerNorm::new(self.weight.clone(), self.bias.clone(), self.eps).forward(x)
        }
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        self.forward(x)
    }
}

struct LayerNormKernel {
    eps: f64,
}

impl CustomOp3 for LayerNormKernel {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> TensorResult<(CpuStorage, Shape)> {
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        if x_layout.dims().last() != Some(&weight.len()) {
            candle_core::bail!("the layer norm is for rows of {}, not for {:?}", weight.len(), x_layout.dims());
        }
        let y = rows::layer_norm(slice(x, x_layout)?, (weight, bias), self.eps);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}
