//! What a generation is asked for, and what it returns.

use image::RgbImage;

use crate::diffusion::{Error, Result};
use crate::studio::settings::{Sampler, Settings};

/// What to generate.
#[derive(Clone, Debug)]
pub struct Request {
    pub prompt: String,
    pub negative: String,
    /// The picture that the adapter reads; `None` for a prompt-only generation.
    pub reference: Option<RgbImage>,
    /// One picture each.
    pub seeds: Vec<u64>,
    /// How many pictures are denoised at once. More are faster on a GPU and take more memory.
    pub batch: usize,
    pub settings: Settings,
}

/// What was generated.
#[derive(Debug)]
pub struct Generated {
    pub outputs: Vec<Output>,
    pub timings: Timings,
    /// The sampler that was used: that of the settings, or the checkpoint's own.
    pub sampler: Sampler,
    pub width: usize,
    pub height: usize,
}

/// One seed's picture.
#[derive(Debug)]
pub struct Output {
    pub seed: u64,
    pub picture: RgbImage,
}

/// Durations in seconds.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    pub encode_s: f64,
    pub denoise_s: f64,
    /// Of each denoising step of each batch.
    pub step_s: Vec<f64>,
    pub decode_s: f64,
}

/// Refuses sizes that a checkpoint cannot generate: diffusers asks for multiples of 8, or of `factor`, the VAE's pixels
/// per latent, if that is larger.
pub fn check_size(width: usize, height: usize, factor: usize) -> Result<()> {
    let multiple = factor.max(8);
    let fits = |side: usize| side >= multiple && side.is_multiple_of(multiple);
    if fits(width) && fits(height) { Ok(()) } else { Err(Error::BadSize { width, height, multiple }) }
}

/// Refuses settings outside their ranges.
pub(super) fn check_ranges(settings: &Settings) -> Result<()> {
    let share = |name, value: f64| {
        if (0.0..=1.0).contains(&value) {
            Ok(())
        } else {
            Err(Error::OutOfRange { name, value: value.to_string(), range: "a number from 0 to 1" })
        }
    };
    share("adapter start", settings.adapter_start)?;
    share("adapter end", settings.adapter_end)?;
    if !settings.guidance_scale.is_finite() {
        let value = settings.guidance_scale.to_string();
        return Err(Error::OutOfRange { name: "guidance scale", value, range: "a finite number" });
    }
    Ok(())
}
