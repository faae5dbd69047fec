//! What the solvers in the logarithm of the signal-to-noise ratio share: noise levels, and their schedule.

use super::SchedulerConfig;
use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::mixture::Mixture;
use super::sigmas::Sigmas;
use super::timesteps::Timesteps;
use crate::diffusion::Result;

/// A noise level, in float32 as in diffusers.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub mixture: Mixture,
    /// ln(signal / noise): half the logarithm of the signal-to-noise ratio; infinite where there is no noise.
    pub lambda: f32,
}

impl Level {
    pub fn of_sigma(sigma: f32) -> Self {
        let mixture = Mixture::of_sigma(sigma);
        Self { mixture, lambda: mixture.signal.ln() - mixture.noise.ln() }
    }
}

/// The noise levels of the training.
pub(super) struct Training {
    pub sigmas: Sigmas,
    alphas_cumprod: Vec<f32>,
}

impl Training {
    pub fn new(config: &SchedulerConfig) -> Result<Self> {
        let alphas_cumprod = alphas_cumprod(config, betas::LINEAR, ZeroSnr::Floored)?;
        Ok(Self { sigmas: Sigmas::new(&alphas_cumprod), alphas_cumprod })
    }

    /// How many times there are.
    pub fn count(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// How many of them have at least this λ.
    pub fn count_above(&self, lambda: f32) -> usize {
        let lambda_of = |alpha: f32| alpha.sqrt().ln() - (1.0 - alpha).sqrt().ln();
        self.alphas_cumprod.partition_point(|&alpha| lambda_of(alpha) >= lambda)
    }

    /// The times of a run among the `count` least noisy ones, and their sigmas.
    pub fn spaced(&self, config: &SchedulerConfig, steps: usize, count: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let (spacing, offset) = (config.spacing("linspace")?, config.steps_offset()?);
        let timesteps = Timesteps { spacing, train: self.count(), steps, offset }.multistep(count);
        let sigmas = timesteps.iter().map(|&time| self.sigmas.at(time)).collect();
        Ok((timesteps, sigmas))
    }
}
