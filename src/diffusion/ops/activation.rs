//! Activation functions, named as in `config.json`.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use serde::Deserialize;

use super::cpu::elementwise::{self, Map};
use super::cpu::{slice, supports};

/// The values of `hidden_act` and `act_fn` in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x · Φ(x), computed with erf and not with the tanh approximation.
    Gelu,
    /// x · σ(1.702 x).
    QuickGelu,
    /// x · σ(x).
    #[serde(alias = "swish")]
    Silu,
}

impl Activation {
    /// Applies the function to each element; the shape stays.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        if supports(x) {
            let map = match self {
                Self::Gelu => Map::Gelu,
                Self::QuickGelu => Map::Swish(1.702),
                Self::Silu => Map::Swish(1.0),
            };
            return x.contiguous()?.apply_op1_no_bwd(&MapKernel(map));
        }
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702f64)?)?,
            Self::Silu => x.silu(),
        }
    }
}

/// x · σ(x).
pub fn silu(x: &Tensor) -> Result<Tensor> {
    Activation::Silu.forward(x)
}

/// [.., 2·n] → [.., n]: the first half of each row times the GELU (with erf) of the second half, as `GEGLU` in
/// diffusers' `models/activations.py`. Fails if the last dimension is odd.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    if supports(x) {
        return x.contiguous()?.apply_op1_no_bwd(&GegluKernel);
    }
    let halves = x.chunk(2, D::Minus1)?; // 2 × [.., n]
    &halves[0] * halves[1].contiguous()?.gelu_erf()?
}

struct MapKernel(Map);

impl CustomOp1 for MapKernel {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(elementwise::map(slice(x, layout)?, self.0)), layout.shape().clone()))
    }
}

struct GegluKernel;

impl CustomOp1 for GegluKernel {
    fn name(&self) -> &'static str {
        "geglu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut dims = layout.dims().to_vec();
        let Some(size) = dims.last_mut().filter(|size| **size > 0 && size.is_multiple_of(2)) else {
            candle_core::bail!("GEGLU needs an even last dimension, got the shape {:?}", layout.dims());
        };
        *size /= 2;
        let y = elementwise::geglu(slice(x, layout)?, *size);
        Ok((CpuStorage::F32(y), dims.into()))
    }
}
