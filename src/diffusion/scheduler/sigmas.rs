//! Noise levels: σ = √((1 − ᾱ) / ᾱ), the standard deviation of the noise where the picture keeps its own size
//! (Karras et al., "Elucidating the design space of diffusion-based generative models", 2022).

use super::SchedulerConfig;
use super::timesteps::linspace;
use crate::diffusion::Result;

/// The noise levels of the training, by time, in float32 as torch computes them.
pub(super) struct Sigmas {
    sigmas: Vec<f32>,
    logarithms: Vec<f32>,
}

impl Sigmas {
    /// `alphas_cumprod` has at least two values.
    pub fn new(alphas_cumprod: &[f32]) -> Self {
        let sigmas: Vec<f32> = alphas_cumprod.iter().map(|alpha| ((1.0 - alpha) / alpha).sqrt()).collect();
        let logarithms = sigmas.iter().map(|sigma| sigma.ln()).collect();
        Self { sigmas, logarithms }
    }

    /// At time 0.
    pub fn least(&self) -> f64 {
        f64::from(self.sigmas[0])
    }

    /// At the last time of the training.
    pub fn greatest(&self) -> f64 {
        f64::from(self.sigmas[self.sigmas.len() - 1])
    }

    /// At a time that may lie between two of the training, or outside them (`numpy.interp`).
    pub fn at(&self, time: f64) -> f64 {
        let last = self.sigmas.len() - 1;
        let below = time.clamp(0.0, last as f64).floor() as usize;
        let low = f64::from(self.sigmas[below]);
        if below == last || time <= 0.0 {
            return low;
        }
        (f64::from(self.sigmas[below + 1]) - low) * (time - below as f64) + low
    }

    /// The time of a noise level, which may lie between two of the training (`_sigma_to_t`).
    pub fn time_of(&self, sigma: f64) -> f64 {
        let logarithm = sigma.max(1e-10).ln();
        let not_above = self.logarithms.partition_point(|&other| f64::from(other) <= logarithm);
        let below = not_above.saturating_sub(1).min(self.logarithms.len() - 2);
        let (low, high) = (self.logarithms[below], self.logarithms[below + 1]);
        let weight = ((f64::from(low) - logarithm) / f64::from(low - high)).clamp(0.0, 1.0);
        (1.0 - weight) * below as f64 + weight * (below + 1) as f64
    }
}

/// `steps` noise levels from `greatest` to `least`, dense where there is little noise: Karras et al., equation 5 with
/// ρ = 7. `sigma_min` and `sigma_max` in the file go before the arguments.
pub(super) fn karras(config: &SchedulerConfig, greatest: f64, least: f64, steps: usize) -> Result<Vec<f64>> {
    const RHO: f64 = 7.0;
    let least = config.optional_positive("sigma_min")?.unwrap_or(least).powf(1.0 / RHO);
    let greatest = config.optional_positive("sigma_max")?.unwrap_or(greatest).powf(1.0 / RHO);
    Ok(linspace(1.0, steps).map(|ramp| (greatest + ramp * (least - greatest)).powf(RHO)).collect())
}

/// `sigmas` and where they end, in float32.
pub(super) fn ending_at(sigmas: &[f64], end: f64) -> Vec<f32> {
    sigmas.iter().copied().chain([end]).map(|sigma| sigma as f32).collect()
}
