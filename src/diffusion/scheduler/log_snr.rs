//! Noise levels and schedules for the solvers that step in the log signal-to-noise ratio: DPM-Solver++ and UniPC.

use super::SchedulerConfig;
use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::mixture::Mixture;
use super::sigmas::Sigmas;
use super::timesteps::Timesteps;
use crate::diffusion::Result;

/// A noise level, in float32 as in diffusers.
#[derive(Clone, Copy)]
pub(super) struct NoiseLevel {
    pub mixture: Mixture,
    /// ln(signal / noise), half the log signal-to-noise ratio; infinite without noise.
    pub lambda: f32,
}

impl NoiseLevel {
    pub fn of_sigma(sigma: f32) -> Self {
        let mixture = Mixture::of_sigma(sigma);
        Self { mixture, lambda: mixture.signal.ln() - mixture.noise.ln() }
    }
}

/// The noise levels of all training timesteps.
pub(super) struct TrainingSchedule {
    pub sigmas: Sigmas,
    alphas_cumprod: Vec<f32>,
}

impl TrainingSchedule {
    pub fn new(config: &SchedulerConfig) -> Result<Self> {
        let alphas_cumprod = alphas_cumprod(config, betas::LINEAR, ZeroSnr::Floored)?;
        Ok(Self { sigmas: Sigmas::new(&alphas_cumprod), alphas_cumprod })
    }

    /// The number of training timesteps.
    pub fn count(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// The number of training timesteps with at least this λ.
    pub fn count_above(&self, lambda: f32) -> usize {
        let lambda_of = |alpha: f32| alpha.sqrt().ln() - (1.0 - alpha).sqrt().ln();
        self.alphas_cumprod.partition_point(|&alpha| lambda_of(alpha) >= lambda)
    }

    /// Chooses `steps` of the `count` least noisy timesteps, and returns them with their sigmas.
    pub fn spaced(&self, config: &SchedulerConfig, steps: usize, count: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let (spacing, offset) = (config.spacing("linspace")?, config.steps_offset()?);
        let timesteps = Timesteps { spacing, train: self.count(), steps, offset }.multistep(count);
        let sigmas = timesteps.iter().map(|&timestep| self.sigmas.at(timestep)).collect();
        Ok((timesteps, sigmas))
    }
}
