//! Euler's method on the probability flow: Karras et al., "Elucidating the design space of diffusion-based generative
//! models", 2022, algorithm 2 without its second-order part and without churn. diffusers:
//! `schedulers/scheduling_euler_discrete.py`.

use candle_core::Tensor;

use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::{combine, divided};
use super::sigmas::{Sigmas, ending_at, karras};
use super::timesteps::{Spacing, Timesteps};
use super::{Denoised, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

pub(super) struct Euler {
    timesteps: Vec<f64>,
    levels: Levels,
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
        let mut sigmas: Vec<f64> = timesteps.iter().map(|&time| training.at(time)).collect();
        if use_karras {
            sigmas = karras(config, sigmas[0], sigmas[sigmas.len() - 1], steps)?;
            timesteps = sigmas.iter().map(|&sigma| f64::from(training.time_of(sigma) as f32)).collect();
        }
        let end = if config.ends_at_zero()? { 0.0 } else { training.least() };
        Ok(Self { timesteps, levels: Levels { sigmas: ending_at(&sigmas, end), spacing }, prediction })
    }
}

impl Scheduler for Euler {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.levels.init_noise_sigma()
    }

    fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor> {
        self.levels.scale_model_input(sample, index)
    }

    fn step(&mut self, model_output: &Tensor, index: usize, sample: &Tensor, _: &mut Noise<'_>) -> Result<Denoised> {
        let (sigma, next) = (self.levels.sigmas[index], self.levels.sigmas[index + 1]);
        let picture = picture(self.prediction, sigma, model_output, sample)?;
        let sample = toward(&picture, sample, sigma, next)?;
        Ok(Denoised { sample, predicted_original: picture })
    }
}

/// The noise levels of a run, as both Euler samplers use them.
pub(super) struct Levels {
    /// One for each timestep, and the end.
    pub sigmas: Vec<f32>,
    pub spacing: Spacing,
}

impl Levels {
    pub fn init_noise_sigma(&self) -> f64 {
        let greatest = self.sigmas.iter().copied().fold(0.0, f32::max);
        f64::from(match self.spacing {
            Spacing::Linspace | Spacing::Trailing => greatest,
            Spacing::Leading => (greatest * greatest + 1.0).sqrt(),
        })
    }

    /// The model was trained on latents of variance 1.
    pub fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor> {
        let sigma = self.sigmas[index];
        divided(sample, (sigma * sigma + 1.0).sqrt())
    }
}

/// The times of an Euler run without Karras sigmas, in float32.
pub(super) fn timesteps(config: &SchedulerConfig, spacing: Spacing, steps: usize) -> Result<Vec<f64>> {
    let train = config.num_train_timesteps()?;
    let times = Timesteps { spacing, train, steps, offset: config.steps_offset()? }.fractional();
    Ok(times.into_iter().map(|time| f64::from(time as f32)).collect())
}

/// The picture that `output` promises, if `sample` = picture + σ·noise.
pub(super) fn picture(prediction: Prediction, sigma: f32, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
    let variance = sigma * sigma + 1.0;
    match prediction {
        Prediction::Epsilon => combine([(1.0, sample), (-sigma, output)]),
        Prediction::Velocity => combine([(-sigma / variance.sqrt(), output), (1.0, &divided(sample, variance)?)]),
        Prediction::Sample => Ok(output.clone()),
    }
}

/// `sample` on the straight line to `picture`, with the noise `next` instead of `sigma`.
pub(super) fn toward(picture: &Tensor, sample: &Tensor, sigma: f32, next: f32) -> Result<Tensor> {
    let slope = divided(&(sample - picture)?, sigma)?;
    combine([(1.0, sample), (next - sigma, &slope)])
}
