//! Noise levels σ = √((1 − ᾱ) / ᾱ): the standard deviation of the noise when the original is not scaled down (Karras et
//! al., "Elucidating the design space of diffusion-based generative models", 2022).

use super::SchedulerConfig;
use super::timesteps::linspace;
use crate::diffusion::Result;

/// The noise level of each training timestep, in float32 as torch computes it.
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

    /// At timestep 0.
    pub fn least(&self) -> f64 {
        f64::from(self.sigmas[0])
    }

    /// At the last training timestep.
    pub fn greatest(&self) -> f64 {
        f64::from(self.sigmas[self.sigmas.len() - 1])
    }

    /// The noise level at any timestep, interpolated linearly and constant beyond both ends (`numpy.interp`).
    pub fn at(&self, timestep: f64) -> f64 {
        let last = self.sigmas.len() - 1;
        let below = timestep.clamp(0.0, last as f64).floor() as usize;
        let low = f64::from(self.sigmas[below]);
        if below == last || timestep <= 0.0 {
            return low;
        }
        (f64::from(self.sigmas[below + 1]) - low) * (timestep - below as f64) + low
    }

    /// The timestep of a noise level, interpolated in log σ (`_sigma_to_t` in diffusers).
    pub fn timestep_of(&self, sigma: f64) -> f64 {
        let logarithm = sigma.max(1e-10).ln();
        let not_above = self.logarithms.partition_point(|&other| f64::from(other) <= logarithm);
        let below = not_above.saturating_sub(1).min(self.logarithms.len() - 2);
        let (low, high) = (self.logarithms[below], self.logarithms[below + 1]);
        let weight = ((f64::from(low) - logarithm) / f64::from(low - high)).clamp(0.0, 1.0);
        (1.0 - weight) * below as f64 + weight * (below + 1) as f64
    }
}

/// `steps` noise levels from `greatest` to `least`, denser at low noise: Karras et al., equation 5 with ρ = 7. The
/// file's `sigma_min` and `sigma_max` override the arguments.
pub(super) fn karras(config: &SchedulerConfig, greatest: f64, least: f64, steps: usize) -> Result<Vec<f64>> {
    const RHO: f64 = 7.0;
    let least = config.optional_positive("sigma_min")?.unwrap_or(least).powf(1.0 / RHO);
    let greatest = config.optional_positive("sigma_max")?.unwrap_or(greatest).powf(1.0 / RHO);
    Ok(linspace(1.0, steps).map(|ramp| (greatest + ramp * (least - greatest)).powf(RHO)).collect())
}

/// `sigmas` followed by `end`, in float32.
pub(super) fn with_end(sigmas: &[f64], end: f64) -> Vec<f32> {
    sigmas.iter().copied().chain([end]).map(|sigma| sigma as f32).collect()
}
