//! The settings of a generation: what a person chooses besides the prompt and the reference.

use std::collections::BTreeMap;

use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};

use super::names::named;
use super::text;

/// A sampler, named as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownSampler, parse_err_fn = unknown_sampler)]
pub enum Sampler {
    Ddim,
    Euler,
    #[strum(serialize = "euler-a")]
    EulerAncestral,
    #[strum(serialize = "dpmpp-2m")]
    DpmSolverPp2M,
    #[strum(serialize = "unipc")]
    UniPc,
    Lcm,
    /// PNDM without its Runge-Kutta warm-up (PLMS), the default of Stable Diffusion 1.x checkpoints.
    Pndm,
}

named!(Sampler);

/// A sampler's name that is not one of [`Sampler::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scheduler {name:?}: choose one of {}", Sampler::ALL.map(Sampler::name).join(", "))]
pub struct UnknownSampler {
    pub name: String,
}

fn unknown_sampler(name: &str) -> UnknownSampler {
    UnknownSampler { name: text::clean(name) }
}

/// How strongly the adapter's image branch counts in each cross-attention.
#[derive(Clone, Debug, PartialEq)]
pub enum AdapterScale {
    /// One weight everywhere; 0 switches the image branch off, 1 is the strength it was trained with.
    Uniform(f64),
    /// A weight per UNet block, by the prefix of its name in the checkpoint (`down_blocks.1`,
    /// `up_blocks.0.attentions.1`, `mid_block`); the longest matching prefix counts, and what none matches gets 0,
    /// as in diffusers.
    PerBlock(BTreeMap<String, f64>),
}

/// What to do with a prompt of more tokens than the text encoder reads at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongPrompt {
    /// Keep what fits, and report what fell off.
    #[default]
    Truncate,
    /// Encode in chunks and join their states.
    Chunk,
}

/// Everything about one generation that is neither prompt, reference nor seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Denoising steps, at least 1.
    pub steps: usize,
    /// Classifier-free guidance scale; 1 or less switches guidance off.
    pub guidance_scale: f64,
    pub adapter_scale: AdapterScale,
    /// The share of the steps, from 0 to 1, before which the adapter is off.
    pub adapter_start: f64,
    /// The share of the steps, from 0 to 1, from which on the adapter is off again.
    pub adapter_end: f64,
    /// `None`: the one that the checkpoint names.
    pub sampler: Option<Sampler>,
    /// Karras sigmas, where the sampler knows them; `None`: as the checkpoint says.
    pub karras_sigmas: Option<bool>,
    /// In pixels, a multiple of 8; `None`: the size the checkpoint was trained at.
    pub width: Option<usize>,
    pub height: Option<usize>,
    pub long_prompt: LongPrompt,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 25,
            guidance_scale: 5.0,
            adapter_scale: AdapterScale::Uniform(1.0),
            adapter_start: 0.0,
            adapter_end: 1.0,
            sampler: None,
            karras_sigmas: None,
            width: None,
            height: None,
            long_prompt: LongPrompt::Truncate,
        }
    }
}
