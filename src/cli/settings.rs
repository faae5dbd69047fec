//! The flags of `generate` and `run` that say how a picture is made.

use clap::{Args, ValueEnum};

use super::failure::Usage;
use crate::studio::settings::{AdapterScale, LongPrompt, Sampler, Settings};

/// What is not given keeps the value it has.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArguments {
    /// Denoising steps [default: 8 for mini, 25 otherwise]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    steps: Option<u64>,

    /// How strongly the prompt counts; too much makes brittle, overcooked pictures [default: 3 for mini, 5.5 otherwise]
    #[arg(long, value_name = "F", value_parser = number)]
    guidance: Option<f64>,

    /// How strongly the reference counts: 0 is off, 1 as trained [default: 1]
    #[arg(long, value_name = "F", value_parser = number)]
    adapter_scale: Option<f64>,

    /// A scale for one block of the UNet, such as up_blocks.0.attentions.1=1; may be repeated, and blocks that are not
    /// named get 0
    #[arg(long, value_name = "NAME=F", value_parser = block, conflicts_with = "adapter_scale")]
    adapter_block: Vec<(String, f64)>,

    /// The share of the steps after which the adapter sets in, from 0 to 1 [default: 0]
    #[arg(long, value_name = "F", value_parser = share)]
    adapter_start: Option<f64>,

    /// The share of the steps after which the adapter stops, from 0 to 1 [default: 1]
    #[arg(long, value_name = "F", value_parser = share)]
    adapter_end: Option<f64>,

    /// ddim, euler, euler-a, dpmpp-2m, unipc, lcm or pndm [default: the checkpoint's own]
    #[arg(long, value_name = "NAME")]
    scheduler: Option<Sampler>,

    /// Karras sigmas, for schedulers that know them [default: as the checkpoint says]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    karras: Option<bool>,

    /// The picture's width in pixels, a multiple of 8 [default: what the checkpoint was trained at]
    #[arg(long, value_name = "PIXELS")]
    width: Option<usize>,

    /// The picture's height in pixels, a multiple of 8 [default: what the checkpoint was trained at]
    #[arg(long, value_name = "PIXELS")]
    height: Option<usize>,

    /// What to do with a prompt that is longer than the text encoder reads [default: truncate]
    #[arg(long, value_enum, value_name = "WAY")]
    long_prompt: Option<Long>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Long {
    /// Keep what fits and say what fell off
    Truncate,
    /// Read it in chunks
    Chunk,
}

impl SettingsArguments {
    /// The settings with what was given on the command line.
    pub fn over(&self, settings: Settings) -> Settings {
        let adapter_scale = match self.adapter_scale {
            _ if !self.adapter_block.is_empty() => AdapterScale::PerBlock(self.adapter_block.iter().cloned().collect()),
            Some(scale) => AdapterScale::Uniform(scale),
            None => settings.adapter_scale,
        };
        Settings {
            steps: self.steps.map_or(settings.steps, |steps| steps as usize),
            guidance_scale: self.guidance.unwrap_or(settings.guidance_scale),
            adapter_scale,
            adapter_start: self.adapter_start.unwrap_or(settings.adapter_start),
            adapter_end: self.adapter_end.unwrap_or(settings.adapter_end),
            sampler: self.scheduler.or(settings.sampler),
            karras_sigmas: self.karras.or(settings.karras_sigmas),
            width: self.width.or(settings.width),
            height: self.height.or(settings.height),
            long_prompt: match self.long_prompt {
                Some(Long::Truncate) => LongPrompt::Truncate,
                Some(Long::Chunk) => LongPrompt::Chunk,
                None => settings.long_prompt,
            },
        }
    }

    /// What can be said without the checkpoint; its own factor is checked later.
    pub fn check_size(&self) -> Result<(), Usage> {
        for (flag, side) in [("--width", self.width), ("--height", self.height)] {
            if let Some(side) = side.filter(|side| *side == 0 || !side.is_multiple_of(8)) {
                return Err(Usage(format!("{flag} is {side}, but sizes must be multiples of 8, and at least 8")));
            }
        }
        Ok(())
    }
}

pub fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "it is not a number".to_owned())
}

pub fn share(text: &str) -> Result<f64, String> {
    number(text).ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "it must be from 0 to 1".to_owned())
}

/// `up_blocks.1=0.6`
pub fn block(text: &str) -> Result<(String, f64), String> {
    let (name, scale) = text.split_once('=').ok_or("say it as NAME=SCALE, such as up_blocks.1=0.6")?;
    Ok((name.to_owned(), number(scale)?))
}
