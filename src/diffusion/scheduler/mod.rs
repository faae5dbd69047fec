//! Samplers: how a predicted noise becomes the next, less noisy latents.
//!
//! Each does what `XScheduler.from_config(<the checkpoint's scheduler_config.json>)` of diffusers 0.42 does, with the
//! defaults of X for what the file leaves out; the numbers are held against it by `tests/parity`. Options that would
//! change the picture and are missing here are refused by name.
//!
//! - `config`: the file; `betas`, `sigmas`, `timesteps`: the schedules made from it
//! - `ddim`, `pndm`, `lcm`: on ᾱ; `euler`, `euler_ancestral`: on σ; `dpm_solver`, `unipc`: on the log SNR

mod alphas;
mod betas;
mod combine;
mod config;
mod ddim;
mod dpm_solver;
mod euler;
mod euler_ancestral;
mod lcm;
mod log_snr;
mod mixture;
mod pndm;
mod sigmas;
mod timesteps;
mod unipc;

#[cfg(test)]
mod tests;

use candle_core::Tensor;

pub use config::SchedulerConfig;
use timesteps::Spacing;

use super::{Error, Result};
use crate::studio::settings::Sampler;

/// Makes noise: a standard normal tensor of the latents' shape, from the generators of the run's seeds.
pub type Noise<'a> = dyn FnMut() -> Result<Tensor> + 'a;

/// A sampler on its way through one run. Latents are float32 tensors [B, C, h, w], as are model outputs and noise.
pub trait Scheduler: Send {
    /// The times to ask the model for, from high to low; they may be fractions, and may repeat.
    fn timesteps(&self) -> &[f64];

    /// The standard deviation of the first latents: noise is multiplied by it.
    fn init_noise_sigma(&self) -> f64;

    /// What the model is to see of `sample` at `timesteps()[index]`.
    fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor>;

    /// The latents after `timesteps()[index]`, from those before it and from what the model says of them. Called once
    /// for each index in order; index 0 begins anew.
    fn step(&mut self, model_output: &Tensor, index: usize, sample: &Tensor, noise: &mut Noise<'_>)
    -> Result<Denoised>;

    /// What the next step will need of those before it, besides the latents.
    fn memory(&self) -> Memory {
        Memory::default()
    }

    /// Goes on after `done` steps as if it had made them itself. False, if `memory` is not what they would have left.
    #[must_use]
    fn restore(&mut self, memory: Memory, done: usize) -> bool {
        let _ = done;
        memory.outputs.is_empty() && memory.sample.is_none()
    }
}

/// What a sampler remembers from one step to the next; nothing in those that look at one step alone.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What the last steps gave, the newest last.
    pub outputs: Vec<Tensor>,
    /// The latents that a later step starts from once more.
    pub sample: Option<Tensor>,
}

/// Latents that are one step less noisy.
pub struct Denoised {
    pub sample: Tensor,
    /// What the finished latents look like as far as this step can tell.
    pub predicted_original: Tensor,
}

/// What a model's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// Salimans and Ho, "Progressive distillation for fast sampling of diffusion models", 2022: √ᾱ·noise − √(1 − ᾱ)·picture.
    Velocity,
    /// The picture.
    Sample,
}

/// `sampler` for `steps` steps on a checkpoint with this configuration. `karras` goes before the file's
/// `use_karras_sigmas`, in the samplers that know it: Euler, DPM-Solver++ and UniPC.
pub fn build(
    sampler: Sampler,
    config: &SchedulerConfig,
    steps: usize,
    karras: Option<bool>,
) -> Result<Box<dyn Scheduler>> {
    if !(1..=config.num_train_timesteps()?).contains(&steps) {
        return Err(steps_out_of_range(steps, "at least 1 and at most the timesteps the checkpoint was trained with"));
    }
    let karras = || karras.map_or_else(|| config.flag("use_karras_sigmas", false), Ok);
    Ok(match sampler {
        Sampler::Ddim => Box::new(ddim::Ddim::new(config, steps)?),
        Sampler::Euler => Box::new(euler::Euler::new(config, steps, karras()?)?),
        Sampler::EulerAncestral => Box::new(euler_ancestral::EulerAncestral::new(config, steps)?),
        Sampler::DpmSolverPp2M => Box::new(dpm_solver::DpmSolver::new(config, steps, karras()?)?),
        Sampler::UniPc => Box::new(unipc::UniPc::new(config, steps, karras()?)?),
        Sampler::Lcm => Box::new(lcm::Lcm::new(config, steps)?),
        Sampler::Pndm => Box::new(pndm::Pndm::new(config, steps)?),
    })
}

fn steps_out_of_range(steps: usize, range: &'static str) -> Error {
    Error::OutOfRange { name: "steps", value: steps.to_string(), range }
}
