//! Linear layers, plain and gated.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Module, Result as TensorResult, Shape, Tensor};

use super::cpu::matmul::{self, Epilogue};
use super::cpu::pack::{PackedRight, to_vec};
use super::cpu::{slice, supports};
use crate::diffusion::Result;

/// x·wᵀ + b: [.., in] → [.., out].
#[derive(Clone)]
pub struct Linear {
    weight: Weight,
}

#[derive(Clone)]
enum Weight {
    Candle(candle_nn::Linear),
    Packed(Arc<PackedRight>),
}

impl Linear {
    /// `weight` [out, in], `bias` [out].
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        if supports(&weight) {
            let bias = bias.as_ref().map(to_vec).transpose()?;
            return Ok(Self::from_vec(to_vec(&weight)?, weight.dim(0)?, bias));
        }
        Ok(Self { weight: Weight::Candle(candle_nn::Linear::new(weight, bias)) })
    }

    /// Like [`new`](Self::new), on the CPU in float32. It supports the weights by value and rearranges them in place, so
    /// that they are never in memory twice.
    pub fn from_vec(weight: Vec<f32>, outputs: usize, bias: Option<Vec<f32>>) -> Self {
        Self { weight: Weight::Packed(Arc::new(PackedRight::new(weight, outputs, bias))) }
    }

    /// x [.., in] → [.., out].
    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            Weight::Candle(linear) => linear.forward(x),
            Weight::Packed(_) => x.contiguous()?.apply_op1_no_bwd(self),
        }
    }

    /// x·wᵀ + b plus `onto`, a tensor of the result's shape (a residual connection).
    pub fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            Weight::Candle(linear) => linear.forward(x)? + onto,
            Weight::Packed(_) => x.contiguous()?.apply_op2_no_bwd(&onto.contiguous()?, self),
        }
    }

    fn run(&self, x: &[f32], shape: &Shape, onto: Option<(&[f32], &Shape)>) -> TensorResult<(CpuStorage, Shape)> {
        let Weight::Packed(weight) = &self.weight else {
            candle_core::bail!("this linear layer was loaded for another device");
        };
        let result = result_shape(shape, weight)?;
        if let Some((_, onto)) = onto.filter(|onto| *onto.1 != result) {
            candle_core::bail!("cannot add {onto:?} to the linear layer's result of shape {result:?}");
        }
        let epilogue = onto.map_or(Epilogue::None, |onto| Epilogue::Add(onto.0));
        Ok((CpuStorage::F32(matmul::linear(x, weight, epilogue)), result))
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
            Weight::Candle(linear) => linear.fmt(f),
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

/// A linear layer followed by GEGLU: [.., in] → [.., 2·n] → [.., n]. On the CPU the intermediate result is not stored.
#[derive(Clone)]
pub struct GatedLinear {
    weight: GatedWeight,
}

#[derive(Clone)]
enum GatedWeight {
    Candle(candle_nn::Linear),
    /// The first and the second n rows of the weight.
    Packed {
        value: Arc<PackedRight>,
        gate: Arc<PackedRight>,
    },
}

impl GatedLinear {
    /// `weight` [2·n, in], `bias` [2·n].
    pub fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        if supports(&weight) {
            return Ok(Self::from_vec(to_vec(&weight)?, weight.dim(0)? / 2, to_vec(&bias)?));
        }
        Ok(Self { weight: GatedWeight::Candle(candle_nn::Linear::new(weight, Some(bias))) })
    }

    /// Like [`new`](Self::new), on the CPU in float32. It supports the weights by value and rearranges them in place, so
    /// that they are never in memory twice. `outputs` is n.
    pub fn from_vec(mut weight: Vec<f32>, outputs: usize, mut bias: Vec<f32>) -> Self {
        let half = |values: Vec<f32>, bias| Arc::new(PackedRight::new(values, outputs, Some(bias)));
        let gate = half(weight.split_off(weight.len() / 2), bias.split_off(bias.len() / 2));
        weight.shrink_to_fit();
        Self { weight: GatedWeight::Packed { value: half(weight, bias), gate } }
    }

    /// x [.., in] → [.., n].
    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.weight {
            GatedWeight::Candle(linear) => super::geglu(&linear.forward(x)?),
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
            candle_core::bail!("this gated linear layer was loaded for another device");
        };
        let shape = result_shape(layout.shape(), value)?;
        Ok((CpuStorage::F32(matmul::linear(slice(x, layout)?, value, Epilogue::GeluGate(gate))), shape))
    }
}

/// The shape of x·wᵀ. Fails if the last dimension of `x` does not fit.
fn result_shape(x: &Shape, weight: &PackedRight) -> TensorResult<Shape> {
    let size = x.dim(D::Minus1)?;
    if size != weight.depth {
        candle_core::bail!("the linear layer expects {} input features, got {size}", weight.depth);
    }
    let mut dims = x.dims().to_vec();
    *dims.last_mut().expect("`dim` found a last dimension") = weight.columns;
    Ok(dims.into())
}
