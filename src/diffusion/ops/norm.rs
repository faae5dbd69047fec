//! Group normalisation, alone or fused with the SiLU that follows it in residual blocks, and layer normalisation.

use candle_core::{CpuStorage, CustomOp3, Layout, Module, Result as TensorResult, Shape, Tensor};

use super::cpu::elementwise::Map;
use super::cpu::{normalize, slice, supports};
use crate::diffusion::Result;

/// Normalises [batch, channels, …] over groups of channels, then scales and shifts each channel. The shape stays.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
    /// For devices and types that our kernel does not cover.
    candle: candle_nn::GroupNorm,
}

impl GroupNorm {
    /// `weight` and `bias` [channels].
    pub fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Result<Self> {
        let channels = weight.dim(0)?;
        let candle = candle_nn::GroupNorm::new(weight.clone(), bias.clone(), channels, groups, eps)?;
        Ok(Self { weight: weight.contiguous()?, bias: bias.contiguous()?, groups, eps, candle })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        if supports(x) { self.on_cpu(x, Map::Identity) } else { x.apply(&self.candle) }
    }

    /// silu(norm(x)) in one pass.
    pub fn forward_silu(&self, x: &Tensor) -> TensorResult<Tensor> {
        if supports(x) { self.on_cpu(x, Map::Swish(1.0)) } else { x.apply(&self.candle)?.silu() }
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
            candle_core::bail!("group norm expects [batch, channels, ..], got {:?}", x_layout.dims());
        };
        if *channels != weight.len() {
            candle_core::bail!("the group norm expects {} channels, got {channels}", weight.len());
        }
        let shape = (*channels, plane.iter().product());
        let y = normalize::group_norm(slice(x, x_layout)?, shape, self.groups, (weight, bias), self.eps, self.map);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}

/// Normalises the last dimension, then scales and shifts each of its elements. The shape stays.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// `weight` and `bias` [size of the last dimension].
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Result<Self> {
        Ok(Self { weight: weight.contiguous()?, bias: bias.contiguous()?, eps })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        if supports(x) {
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
            candle_core::bail!("the layer norm expects rows of {}, got {:?}", weight.len(), x_layout.dims());
        }
        let y = normalize::layer_norm(slice(x, x_layout)?, (weight, bias), self.eps);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}
