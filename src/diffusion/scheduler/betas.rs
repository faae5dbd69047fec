//! How much of the picture is left at each diffusion time of the training: the cumulative products of 1 − β.
//!
//! diffusers computes them in float32 (`scheduling_ddim.py` and its siblings, all alike), and near the picture, where
//! 1 − ᾱ is about 10⁻³, the rounding shows: so this rounds where torch does.

use super::SchedulerConfig;
use crate::diffusion::Result;

/// The defaults of the keys that make a schedule of betas.
pub(super) struct BetaDefaults {
    pub start: f64,
    pub end: f64,
    pub schedule: &'static str,
}

/// Of every sampler but LCM.
pub(super) const LINEAR: BetaDefaults = BetaDefaults { start: 0.0001, end: 0.02, schedule: "linear" };
/// Those of Stable Diffusion.
pub(super) const SCALED_LINEAR: BetaDefaults = BetaDefaults { start: 0.00085, end: 0.012, schedule: "scaled_linear" };

/// What becomes of `rescale_betas_zero_snr`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ZeroSnr {
    /// The sampler does not know the key.
    Ignored,
    /// The last ᾱ is 0.
    Exact,
    /// The last ᾱ is 2⁻²⁴ instead, which keeps its sigma finite.
    Floored,
}

/// ᾱ for each time of the training, from nearly 1 down to nearly 0.
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
        return Err(config.bad("its betas leave no schedule of noise"));
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
            _ => Err(config.bad(format!("trained_betas must be a list of {count} numbers from 0 to 1"))),
        };
    }
    let start = config.number("beta_start", defaults.start)?;
    let end = config.number("beta_end", defaults.end)?;
    if !(0.0..=1.0).contains(&start) || !(0.0..=1.0).contains(&end) {
        return Err(config.bad(format!("beta_start and beta_end are {start} and {end}, but must be from 0 to 1")));
    }
    match config.text("beta_schedule", defaults.schedule)? {
        "linear" => Ok(linspace(start as f32, end as f32, count)),
        "scaled_linear" => {
            let roots = linspace(start.sqrt() as f32, end.sqrt() as f32, count);
            Ok(roots.into_iter().map(|root| root * root).collect())
        }
        "squaredcos_cap_v2" => Ok(squared_cosine(count)),
        _ => Err(config.unknown("beta_schedule", "linear, scaled_linear and squaredcos_cap_v2")),
    }
}

/// `torch.linspace` in float32 on the CPU: from both ends to the middle, multiplied and added with one rounding.
/// `count` is at least 2.
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

/// Lin et al., "Common diffusion noise schedules and sample steps are flawed", 2023, algorithm 1: shifts and scales
/// √ᾱ so that the last is 0 and the first stays.
fn rescale_to_zero_snr(betas: &[f32]) -> Vec<f32> {
    let mut roots = cumulative_product(betas.iter().map(|beta| 1.0 - beta));
    roots.iter_mut().for_each(|alpha| *alpha = alpha.sqrt());
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let scale = first / (first - last);
    let alphas_cumprod: Vec<f32> = roots.iter().map(|root| (root - last) * scale).map(|root| root * root).collect();
    let before = std::iter::once(1.0).chain(alphas_cumprod.iter().copied());
    alphas_cumprod.iter().zip(before).map(|(alpha, before)| 1.0 - alpha / before).collect()
}

/// `torch.cumprod`: accumulated in double, every result rounded to float32.
fn cumulative_product(factors: impl Iterator<Item = f32>) -> Vec<f32> {
    factors
        .scan(1.0f64, |product, factor| {
            *product *= f64::from(factor);
            Some(*product as f32)
        })
        .collect()
}
