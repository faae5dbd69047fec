//! Linear layers.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Module, Result as TensorResult, Shape, Tensor};

use super::cpu::pack::{Right, numbers_of};
use super::cpu::product::{self, Then};
use super::cpu::{slice, takes};
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
        if takes(&weight) {
            let bias = bias.as_ref().map(numbers_of).transpose()?;
            return Ok(Self::from_numbers(numbers_of(&weight)?, weight.dim(0)?, bias));
        }
        Ok(Self { weight: Weight::Plain(candle_nn::Linear::new(weight, bias)) })
    }

    /// The same for the CPU and float32, from numbers that need not be kept as they come.
    pub fn from_numbers(weight: Vec<f32>, outputs: usize, bias: Option<Vec<f32>>) -> Self {
        Self { weight: Weight::Packed(Arc::new(Right::new(weight, outputs, bias))) }
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            Weight::Plain(linear) => linear.forward(x),
            Weight::Packed(_) => x.contiguous()?.apply_op1_no_bwd(self),
        }
    }

    /// x·wᵀ + b, plus `onto`, which is shaped as the result.
    pub fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            Weight::Plain(linear) => linear.forward(x)? + onto,
            Weight::Packed(_) => x.contiguous()?.apply_op2_no_bwd(&onto.contiguous()?, self),
        }
    }

    fn run(&self, x: &[f32], shape: &Shape, onto: Option<(&[f32], &Shape)>) -> TensorResult<(CpuStorage, Shape)> {
        let Weight::Packed(weight) = &self.weight else {
            candle_core::bail!("this linear layer was made for another device");
        };
        let result = result_shape(shape, weight)?;
        if let Some((_, onto)) = onto.filter(|onto| *onto.1 != result) {
            candle_core::bail!("the linear layer gives {result:?} and was to be added to {onto:?}");
        }
        Ok((CpuStorage::F32(product::linear(x, weight, onto.map_or(Then::Nothing, |onto| Then::Onto(onto.0)))), result))
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

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        self.run(slice(x, layout)?, layout.shape(), None)
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        onto: &CpuStorage,
        onto_layout: &Layout,
    ) -> TensorResult<(CpuStorage, Shape)> {
        self.run(slice(x, layout)?, layout.shape(), Some((slice(onto, onto_layout)?, onto_layout.shape())))
    }
}

/// [.., in] → [.., n] through a weight of 2·n rows: the first half of what it gives, times the GELU of the second.
#[derive(Clone)]
pub struct GatedLinear {
    weight: GatedWeight,
}

#[derive(Clone)]
enum GatedWeight {
    Plain(candle_nn::Linear),
    Packed { value: Arc<Right>, gate: Arc<Right> },
}

impl GatedLinear {
    /// `weight` [2·n, in], `bias` [2·n].
    pub fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        if takes(&weight) {
            return Ok(Self::from_numbers(numbers_of(&weight)?, weight.dim(0)? / 2, numbers_of(&bias)?));
        }
        Ok(Self { weight: GatedWeight::Plain(candle_nn::Linear::new(weight, Some(bias))) })
    }

    /// The same for the CPU and float32, from numbers that need not be kept as they come; `outputs` is n.
    pub fn from_numbers(mut weight: Vec<f32>, outputs: usize, mut bias: Vec<f32>) -> Self {
        let half = |numbers: Vec<f32>, bias| Arc::new(Right::new(numbers, outputs, Some(bias)));
        let gate = half(weight.split_off(weight.len() / 2), bias.split_off(bias.len() / 2));
        weight.shrink_to_fit();
        Self { weight: GatedWeight::Packed { value: half(weight, bias), gate } }
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            GatedWeight::Plain(linear) => super::geglu(&linear.forward(x)?),
            GatedWeight::Packed { .. } => x.contiguous()?.apply_op1_no_bwd(self),
        }
    }
}

impl CustomOp1 for GatedLinear {
    fn name(&self) -> &'static str {
        "gated-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let GatedWeight::Packed { value, gate } = &self.weight else {
            candle_core::bail!("this linear layer was made for another device");
        };
        let shape = result_shape(layout.shape(), value)?;
        Ok((CpuStorage::F32(product::linear(slice(x, layout)?, value, Then::GatedBy(gate))), shape))
    }
}

/// The shape that x through the weight has.
fn result_shape(x: &Shape, weight: &Right) -> TensorResult<Shape> {
    let size = x.dim(D::Minus1)?;
    if size != weight.depth {
        candle_core::bail!("the linear layer is for {} numbers and was given {size}", weight.depth);
    }
    let mut dims = x.dims().to_vec();
    *dims.last_mut().expect("`dim` found a last dimension") = weight.columns;
    Ok(dims.into())
}
