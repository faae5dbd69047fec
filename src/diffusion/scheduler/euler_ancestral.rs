//! Euler's method with fresh noise at each step, after Katherine Crowson's `sample_euler_ancestral` in k-diffusion.
//! diffusers: `schedulers/scheduling_euler_ancestral_discrete.py`.

use candle_core::Tensor;

use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::combine;
use super::euler::{SigmaSchedule, euler_step, predict_original, timesteps};
use super::sigmas::{Sigmas, with_end};
use super::{Denoised, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

pub(super) struct EulerAncestral {
    timesteps: Vec<f64>,
    sigmas: SigmaSchedule,
    prediction: Prediction,
}

impl EulerAncestral {
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let prediction = config.prediction_type()?;
        if prediction == Prediction::Sample {
            return Err(config.unsupported(Sampler::EulerAncestral, "prediction_type"));
        }
        let training = Sigmas::new(&alphas_cumprod(config, betas::LINEAR, ZeroSnr::Floored)?);
        let spacing = config.spacing("linspace")?;
        let timesteps = timesteps(config, spacing, steps)?;
        let sigmas: Vec<f64> = timesteps.iter().map(|&timestep| training.at(timestep)).collect();
        Ok(Self { timesteps, sigmas: SigmaSchedule { sigmas: with_end(&sigmas, 0.0), spacing }, prediction })
    }
}

impl Scheduler for EulerAncestral {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.sigmas.init_noise_sigma()
    }

    fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor> {
        self.sigmas.scale_model_input(sample, index)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        index: usize,
        sample: &Tensor,
        noise: &mut Noise<'_>,
    ) -> Result<Denoised> {
        let (sigma, next) = (self.sigmas.sigmas[index], self.sigmas.sigmas[index + 1]);
        let original = predict_original(self.prediction, sigma, model_output, sample)?;
        // Step to `down`, below the next level, then add noise of deviation `up` to reach the next level.
        let (before, after) = (sigma * sigma, next * next);
        let up = (after * (before - after) / before).sqrt();
        let down = (after - up * up).sqrt();
        let lower = euler_step(&original, sample, sigma, down)?;
        let sample = combine([(1.0, &lower), (up, &noise()?)])?;
        Ok(Denoised { sample, predicted_original: original })
    }
}
