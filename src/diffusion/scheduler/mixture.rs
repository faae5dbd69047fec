//! A sample as a mixture of picture and noise, and what a model's output says about both.

use candle_core::Tensor;

use super::Prediction;
use super::combine::{combine, divided};
use crate::diffusion::Result;

/// sample = signal·picture + noise·ε, with signal² + noise² = 1.
#[derive(Clone, Copy)]
pub(super) struct Mixture {
    pub signal: f32,
    pub noise: f32,
}

impl Mixture {
    /// `alpha`: ᾱ, the share of the picture in the variance.
    pub fn of_alpha(alpha: f32) -> Self {
        Self { signal: alpha.sqrt(), noise: (1.0 - alpha).sqrt() }
    }

    /// `sigma`: noise / signal.
    pub fn of_sigma(sigma: f32) -> Self {
        let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
        Self { signal, noise: sigma * signal }
    }

    /// The picture that `output` promises.
    pub fn picture(self, prediction: Prediction, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        match prediction {
            Prediction::Epsilon => {
                let rest = combine([(1.0, sample), (-self.noise, output)])?;
                divided(&rest, self.signal)
            }
            Prediction::Velocity => combine([(self.signal, sample), (-self.noise, output)]),
            Prediction::Sample => Ok(output.clone()),
        }
    }

    /// The noise that `output` sees.
    pub fn epsilon(self, prediction: Prediction, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
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

/// `clip_sample`: keeps a picture within ±`range`.
pub(super) fn clipped(picture: Tensor, range: Option<f64>) -> Result<Tensor> {
    match range {
        Some(range) => Ok(picture.clamp(-range as f32, range as f32)?),
        None => Ok(picture),
    }
}
