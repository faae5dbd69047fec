//! Activations by the names that configs use.

use candle_core::{D, Result, Tensor};
use serde::Deserialize;

/// `hidden_act` and `act_fn` in config.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x · Φ(x), with the exact erf.
    Gelu,
    /// x · σ(1.702 x).
    QuickGelu,
    #[serde(alias = "swish")]
    Silu,
}

impl Activation {
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702f64)?)?,
            Self::Silu => silu(x),
        }
    }
}

/// x · σ(x).
pub fn silu(x: &Tensor) -> Result<Tensor> {
    x.silu()
}

/// [.., 2·n] → [.., n]: the first half times the exact GELU of the second
/// (diffusers, `models/activations.py`, `GEGLU`).
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let halves = x.chunk(2, D::Minus1)?;
    &halves[0] * halves[1].contiguous()?.gelu_erf()?
}
