//! ᾱ by training timestep: the cumulative product of 1 − β, the share of the original in the variance.
//!
//! diffusers computes it in float32 (`scheduling_ddim.py` and the other schedulers). Where 1 − ᾱ is about 10⁻³, the
//! rounding is visible in the output, so this code rounds where torch rounds.

use super::SchedulerConfig;
use crate::diffusion::Result;

/// A scheduler's defaults for `beta_start`, `beta_end` and `beta_schedule`.
pub(super) struct BetaDefaults {
    pub start: f64,
    pub end: f64,
    pub schedule: &'static str,
}

/// The defaults of all schedulers except LCM.
pub(super) const LINEAR: BetaDefaults = BetaDefaults { start: 0.0001, end: 0.02, schedule: "linear" };
/// The defaults of LCM, which are Stable Diffusion's values.
pub(super) const SCALED_LINEAR: BetaDefaults = BetaDefaults { start: 0.00085, end: 0.012, schedule: "scaled_linear" };

/// How a scheduler handles `rescale_betas_zero_snr`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ZeroSnr {
    /// The scheduler does not have this option.
    Ignored,
    /// The last ᾱ becomes 0.
    Exact,
    /// The last ᾱ becomes 2⁻²⁴ instead of 0, so that its sigma stays finite.
    Floored,
}

/// ᾱ for each training timestep, from nearly 1 down to nearly 0.
pub(super) fn alphas_cumprod(config: &SchedulerConfig, defaults: BetaDefaults, zero_snr: ZeroSnr) -> Result<Vec<f32>> {
    let mut betas = betas(config, defaults)?;
    let rescale = zero_snr != ZeroSnr::Ignored && config.flag("rescale_betas_zero_snr", false)?;
    if rescale {
        betas = rescale_to_zero_snr(&betas);
    }
    let mut alphas_cumprod = cumulative_product(betas.iter().map(|beta| 1.0 - beta));
    if let (true, ZeroSnr::Floored, Some(last)) = (rescale, zero_snr, alphas_cumprod.last_mut()) {
        *last = f32::EPSILON / 2.0;
    }
    if alphas_cumprod.iter().any(|alpha| !(0.0..=1.0).contains(alpha)) {
        return Err(config.invalid("its betas do not give a noise schedule"));
    }
    Ok(alphas_cumprod)
}

fn betas(config: &SchedulerConfig, defaults: BetaDefaults) -> Result<Vec<f32>> {
    let count = config.num_train_timesteps()?;
    if let Some(trained) = config.get("trained_betas") {
        let betas: Option<Vec<f32>> = trained
            .as_array()
            .filter(|betas| betas.len() == count)
            .and_then(|betas| betas.iter().map(|beta| beta.as_f64().map(|beta| beta as f32)).collect());
        return match betas {
            Some(betas) if betas.iter().all(|beta| (0.0..=1.0).contains(beta)) => Ok(betas),
            _ => Err(config.invalid(format!("trained_betas must be a list of {count} numbers between 0 and 1"))),
        };
    }
    let start = config.number("beta_start", defaults.start)?;
    let end = config.number("beta_end", defaults.end)?;
    if !(0.0..=1.0).contains(&start) || !(0.0..=1.0).contains(&end) {
        return Err(
            config.invalid(format!("beta_start is {start} and beta_end is {end}, but both must be between 0 and 1"))
        );
    }
    match config.text("beta_schedule", defaults.schedule)? {
        "linear" => Ok(linspace(start as f32, end as f32, count)),
        "scaled_linear" => {
            let roots = linspace(start.sqrt() as f32, end.sqrt() as f32, count);
            Ok(roots.into_iter().map(|root| root * root).collect())
        }
        "squaredcos_cap_v2" => Ok(squared_cosine(count)),
        _ => Err(config.unknown_value("beta_schedule", "linear, scaled_linear or squaredcos_cap_v2")),
    }
}

/// `torch.linspace` in float32 on the CPU, which works from both ends to the middle with fused multiply-adds. `count` is
/// at least 2.
fn linspace(start: f32, end: f32, count: usize) -> Vec<f32> {
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|index| {
            if index < count / 2 {
                step.mul_add(index as f32, start)
            } else {
                (-step).mul_add((count - index - 1) as f32, end)
            }
        })
        .collect()
}

/// Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", 2021, equation 17.
fn squared_cosine(count: usize) -> Vec<f32> {
    let alpha_bar = |time: f64| ((time + 0.008) / 1.008 * std::f64::consts::PI / 2.0).cos().powi(2);
    let time = |index: usize| index as f64 / count as f64;
    (0..count).map(|index| (1.0 - alpha_bar(time(index + 1)) / alpha_bar(time(index))).min(0.999) as f32).collect()
}

/// Shifts and scales √ᾱ so that the last value is 0 and the first stays: Lin et al., "Common diffusion noise schedules
/// and sample steps are flawed", 2023, algorithm 1.
fn rescale_to_zero_snr(betas: &[f32]) -> Vec<f32> {
    let mut roots = cumulative_product(betas.iter().map(|beta| 1.0 - beta));
    roots.iter_mut().for_each(|alpha| *alpha = alpha.sqrt());
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let scale = first / (first - last);
    let alphas_cumprod: Vec<f32> = roots.iter().map(|root| (root - last) * scale).map(|root| root * root).collect();
    let before = std::iter::once(1.0).chain(alphas_cumprod.iter().copied());
    alphas_cumprod.iter().zip(before).map(|(alpha, before)| 1.0 - alpha / before).collect()
}

/// `torch.cumprod`: accumulated in float64, each result rounded to float32.
fn cumulative_product(factors: impl Iterator<Item = f32>) -> Vec<f32> {
    factors
        .scan(1.0f64, |product, factor| {
            *product *= f64::from(factor);
            Some(*product as f32)
        })
        .collect()
}
