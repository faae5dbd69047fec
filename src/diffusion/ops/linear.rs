//! Linear layers.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Module, Result as TensorResult, Shape, Tensor};

use super::cpu::pack::Right;
use super::cpu::product;
use crate::diffusion::Result;

/// [.., in] → [.., out]: x·wᵀ + b.
#[derive(Clone)]
pub struct Linear {
    weight: Weight,
}

#[derive(Clone)]
enum Weight {
    Plain(candle_nn::Linear),
    Packed(Arc<Right>),
}

impl Linear {
    /// `weight` [out, in], `bias` [out].
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let weight = if super::cpu::takes(&weight) {
            Weight::Packed(Arc::new(Right::new(&weight, bias.as_ref())?))
        } else {
            Weight::Plain(candle_nn::Linear::new(weight, bias))
        };
        Ok(Self { weight })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            Weight::Plain(linear) => linear.forward(x),
            Weight::Packed(_) => x.contiguous()?.apply_op1_no_bwd(self),
        }
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        self.forward(x)
    }
}

impl std::fmt::Debug for Linear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.weight {
            Weight::Plain(linear) => linear.fmt(f),
            Weight::Packed(weight) => write!(f, "Linear {{ in: {}, out: {} }}", weight.depth, weight.columns),
        }
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let Weight::Packed(weight) = &self.weight else {
            candle_core::bail!("this linear layer was made for another device");
        };
        let x = super::cpu::slice(storage, layout)?;
        let size = layout.shape().dim(D::Minus1)?;
        if size != weight.depth {
            candle_core::bail!("the linear layer is for {} numbers and was given {size}", weight.depth);
        }
        let mut dims = layout.dims().to_vec();
        *dims.last_mut().expect("`dim` found a last dimension") = weight.columns;
        Ok((CpuStorage::F32(product::linear(x, weight)), dims.into()))
    }
}
