//! The flags of `generate` and `run` that set how a picture is generated.

use clap::{Args, ValueEnum};

use super::values::{block_scale, fraction, number};
use crate::cli::failure::UsageError;
use crate::studio::settings::{AdapterScale, LongPrompt, Sampler, Settings};

/// A setting without a flag keeps its value.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArguments {
    /// Denoising steps [default: 8 for mini, else 25]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    steps: Option<u64>,

    /// Guidance scale: how closely to follow the prompt; high values oversaturate the picture [default: 3 for mini, else
    /// 5.5]
    #[arg(long, value_name = "F", value_parser = number)]
    guidance: Option<f64>,

    /// Adapter scale: how closely to follow the reference, from 0 (off) to 1 (as trained) [default: 1]
    #[arg(long, value_name = "F", value_parser = number)]
    adapter_scale: Option<f64>,

    /// The adapter scale of one UNet block, such as up_blocks.0.attentions.1=1; repeat it for more, others get 0
    #[arg(long, value_name = "NAME=F", value_parser = block_scale, conflicts_with = "adapter_scale")]
    adapter_block: Vec<(String, f64)>,

    /// The fraction of the steps after which the adapter starts, from 0 to 1 [default: 0]
    #[arg(long, value_name = "F", value_parser = fraction)]
    adapter_start: Option<f64>,

    /// The fraction of the steps after which the adapter stops, from 0 to 1 [default: 1]
    #[arg(long, value_name = "F", value_parser = fraction)]
    adapter_end: Option<f64>,

    /// ddim, euler, euler-a, dpmpp-2m, unipc, lcm or pndm [default: the checkpoint's own]
    #[arg(long, value_name = "NAME")]
    scheduler: Option<Sampler>,

    /// Use Karras sigmas, if the scheduler supports them [default: the checkpoint's own]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    karras: Option<bool>,

    /// Width in pixels, a multiple of 8 [default: the size the checkpoint was trained at]
    #[arg(long, value_name = "PIXELS")]
    width: Option<usize>,

    /// Height in pixels, a multiple of 8 [default: the size the checkpoint was trained at]
    #[arg(long, value_name = "PIXELS")]
    height: Option<usize>,

    /// What to do with a prompt that is too long for the text encoder [default: truncate]
    #[arg(long, value_enum, value_name = "METHOD")]
    long_prompt: Option<LongPromptMethod>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LongPromptMethod {
    /// Ignore the words that do not fit, and print them
    Truncate,
    /// Encode the prompt in chunks
    Chunk,
}

impl SettingsArguments {
    /// Returns the settings with the values of the given flags.
    pub fn apply(&self, settings: Settings) -> Settings {
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
                Some(LongPromptMethod::Truncate) => LongPrompt::Truncate,
                Some(LongPromptMethod::Chunk) => LongPrompt::Chunk,
                None => settings.long_prompt,
            },
        }
    }

    /// Checks that the size is a multiple of 8. A larger multiple that a checkpoint needs is checked when it loads.
    pub fn check_size(&self) -> Result<(), UsageError> {
        for (flag, side) in [("--width", self.width), ("--height", self.height)] {
            if let Some(side) = side.filter(|side| *side == 0 || !side.is_multiple_of(8)) {
                return Err(UsageError(format!("invalid {flag} {side}: sizes are multiples of 8, at least 8")));
            }
        }
        Ok(())
    }
}
