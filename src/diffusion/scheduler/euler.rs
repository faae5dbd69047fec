//! Euler's method for the probability flow ODE: Karras et al., "Elucidating the design space of diffusion-based
//! generative models", 2022, algorithm 2 without the second-order correction and without churn. diffusers:
//! `schedulers/scheduling_euler_discrete.py`.

use candle_core::Tensor;

use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::{combine, divided};
use super::sigmas::{Sigmas, karras, with_end};
use super::timesteps::{Spacing, Timesteps};
use super::{Denoised, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

pub(super) struct Euler {
    timesteps: Vec<f64>,
    sigmas: SigmaSchedule,
    prediction: Prediction,
}

impl Euler {
    pub fn new(config: &SchedulerConfig, steps: usize, use_karras: bool) -> Result<Self> {
        config.refuse_flags(Sampler::Euler, &["use_exponential_sigmas", "use_beta_sigmas"])?;
        if config.text("interpolation_type", "linear")? != "linear" {
            return Err(config.unsupported(Sampler::Euler, "interpolation_type"));
        }
        let prediction = config.prediction_type()?;
        if config.text("timestep_type", "discrete")? != "discrete" && prediction == Prediction::Velocity {
            return Err(config.unsupported(Sampler::Euler, "timestep_type"));
        }

        let training = Sigmas::new(&alphas_cumprod(config, betas::LINEAR, ZeroSnr::Floored)?);
        let spacing = config.spacing("linspace")?;
        let mut timesteps = timesteps(config, spacing, steps)?;
        let mut sigmas: Vec<f64> = timesteps.iter().map(|&timestep| training.at(timestep)).collect();
        if use_karras {
            sigmas = karras(config, sigmas[0], sigmas[sigmas.len() - 1], steps)?;
            timesteps = sigmas.iter().map(|&sigma| f64::from(training.timestep_of(sigma) as f32)).collect();
        }
        let end = if config.ends_at_zero()? { 0.0 } else { training.least() };
        Ok(Self { timesteps, sigmas: SigmaSchedule { sigmas: with_end(&sigmas, end), spacing }, prediction })
    }
}

impl Scheduler for Euler {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.sigmas.init_noise_sigma()
    }

    fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor> {
        self.sigmas.scale_model_input(sample, index)
    }

    fn step(&mut self, model_output: &Tensor, index: usize, sample: &Tensor, _: &mut Noise<'_>) -> Result<Denoised> {
        let (sigma, next) = (self.sigmas.sigmas[index], self.sigmas.sigmas[index + 1]);
        let original = predict_original(self.prediction, sigma, model_output, sample)?;
        let sample = euler_step(&original, sample, sigma, next)?;
        Ok(Denoised { sample, predicted_original: original })
    }
}

/// The noise levels of a generation, shared by both Euler schedulers.
pub(super) struct SigmaSchedule {
    /// One per timestep, and the end.
    pub sigmas: Vec<f32>,
    pub spacing: Spacing,
}

impl SigmaSchedule {
    /// See [`Scheduler::init_noise_sigma`].
    pub fn init_noise_sigma(&self) -> f64 {
        let greatest = self.sigmas.iter().copied().fold(0.0, f32::max);
        f64::from(match self.spacing {
            Spacing::Linspace | Spacing::Trailing => greatest,
            Spacing::Leading => (greatest * greatest + 1.0).sqrt(),
        })
    }

    /// Divides by √(σ² + 1), because the model was trained on latents of variance 1.
    pub fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor> {
        let sigma = self.sigmas[index];
        divided(sample, (sigma * sigma + 1.0).sqrt())
    }
}

/// The timesteps of both Euler schedulers without Karras sigmas, rounded to float32.
pub(super) fn timesteps(config: &SchedulerConfig, spacing: Spacing, steps: usize) -> Result<Vec<f64>> {
    let train = config.num_train_timesteps()?;
    let timesteps = Timesteps { spacing, train, steps, offset: config.steps_offset()? }.fractional();
    Ok(timesteps.into_iter().map(|timestep| f64::from(timestep as f32)).collect())
}

/// The original according to the model's `output`, where `sample` = original + σ·noise.
pub(super) fn predict_original(prediction: Prediction, sigma: f32, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
    let variance = sigma * sigma + 1.0;
    match prediction {
        Prediction::Epsilon => combine([(1.0, sample), (-sigma, output)]),
        Prediction::Velocity => combine([(-sigma / variance.sqrt(), output), (1.0, &divided(sample, variance)?)]),
        Prediction::Sample => Ok(output.clone()),
    }
}

/// Moves `sample` along the straight line towards `original`, from the noise level `sigma` to `next`.
pub(super) fn euler_step(original: &Tensor, sample: &Tensor, sigma: f32, next: f32) -> Result<Tensor> {
    let derivative = divided(&(sample - original)?, sigma)?;
    combine([(1.0, sample), (next - sigma, &derivative)])
}
