//! A sample as a mixture of the original and noise, and the model's prediction of both.

use candle_core::Tensor;

use super::Prediction;
use super::combine::{combine, divided};
use crate::diffusion::Result;

/// sample = signal·original + noise·ε, with signal² + noise² = 1.
#[derive(Clone, Copy)]
pub(super) struct Mixture {
    pub signal: f32,
    pub noise: f32,
}

impl Mixture {
    /// `alpha` is ᾱ, the share of the original in the variance.
    pub fn of_alpha(alpha: f32) -> Self {
        Self { signal: alpha.sqrt(), noise: (1.0 - alpha).sqrt() }
    }

    /// `sigma` is noise / signal.
    pub fn of_sigma(sigma: f32) -> Self {
        let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
        Self { signal, noise: sigma * signal }
    }

    /// The original according to the model's `output`.
    pub fn predict_original(self, prediction: Prediction, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        match prediction {
            Prediction::Epsilon => {
                let rest = combine([(1.0, sample), (-self.noise, output)])?;
                divided(&rest, self.signal)
            }
            Prediction::Velocity => combine([(self.signal, sample), (-self.noise, output)]),
            Prediction::Sample => Ok(output.clone()),
        }
    }

    /// The noise ε according to the model's `output`.
    pub fn predict_noise(self, prediction: Prediction, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        match prediction {
            Prediction::Epsilon => Ok(output.clone()),
            Prediction::Velocity => combine([(self.signal, output), (self.noise, sample)]),
            Prediction::Sample => {
                let rest = combine([(1.0, sample), (-self.signal, output)])?;
                divided(&rest, self.noise)
            }
        }
    }
}

/// The option `clip_sample`: limits the original to ±`range`.
pub(super) fn clip(original: Tensor, range: Option<f64>) -> Result<Tensor> {
    match range {
        Some(range) => Ok(original.clamp(-range as f32, range as f32)?),
        None => Ok(original),
    }
}
