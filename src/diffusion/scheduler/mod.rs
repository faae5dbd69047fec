//! Schedulers: they turn the model's prediction into the next, less noisy latents.
//!
//! Each one computes what diffusers 0.42 computes for `XScheduler.from_config(scheduler_config)` with the checkpoint's
//! `scheduler_config.json`, including X's own defaults for missing keys. `tests/parity` compares the values. Options
//! that would change the output but are not implemented are rejected by name.
//!
//! - `config`: the file; `betas`, `sigmas`, `timesteps`: the schedules derived from it
//! - `ddim`, `pndm`, `lcm` step in ᾱ; `euler`, `euler_ancestral` in σ; `dpm_solver`, `unipc` in the log SNR

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

/// Draws noise: a standard normal tensor of the latents' shape, from the generators of the run's seeds.
pub type Noise<'a> = dyn FnMut() -> Result<Tensor> + 'a;

/// One scheduler during one generation. Latents, model outputs and noise are float32 tensors [batch, channels, h, w].
pub trait Scheduler: Send {
    /// The timesteps at which the model is called, from high to low. They may be fractional and may repeat.
    fn timesteps(&self) -> &[f64];

    /// The standard deviation of the initial latents, a factor for standard normal noise.
    fn init_noise_sigma(&self) -> f64;

    /// The model's input for the latents `sample` at `timesteps()[index]`.
    fn scale_model_input(&self, sample: &Tensor, index: usize) -> Result<Tensor>;

    /// Computes the latents after `timesteps()[index]` from the latents before it and the model's output. Call it for
    /// each index in order; index 0 discards the history and starts a new generation.
    fn step(&mut self, model_output: &Tensor, index: usize, sample: &Tensor, noise: &mut Noise<'_>)
    -> Result<Denoised>;

    /// What later steps need from earlier ones besides the latents; part of a saved generation.
    fn history(&self) -> History {
        History::default()
    }

    /// Continues after `steps_done` steps with the history they left. Returns false if the history does not fit.
    #[must_use]
    fn restore(&mut self, history: History, steps_done: usize) -> bool {
        let _ = steps_done;
        history.outputs.is_empty() && history.sample.is_none()
    }
}

/// What a multistep scheduler keeps from one step to the next; empty for single-step schedulers.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Results of the last steps, the newest last.
    pub outputs: Vec<Tensor>,
    /// Earlier latents that a later step starts from again.
    pub sample: Option<Tensor>,
}

/// The result of one step.
pub struct Denoised {
    /// The latents, one step less noisy.
    pub sample: Tensor,
    /// The model's current estimate of the final latents (`pred_original_sample` in diffusers).
    pub predicted_original: Tensor,
}

/// What a model's output means (`prediction_type`). "Original" means the latents without noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// √ᾱ·noise − √(1 − ᾱ)·original: Salimans and Ho, "Progressive distillation for fast sampling of diffusion
    /// models", 2022.
    Velocity,
    /// The original.
    Sample,
}

/// Builds a scheduler for `steps` steps on a checkpoint with this configuration. `karras` overrides the file's
/// `use_karras_sigmas` for the schedulers that have this option: Euler, DPM-Solver++ and UniPC. Fails if `steps` is
/// out of range or the configuration asks for something that is not implemented.
pub fn build(
    sampler: Sampler,
    config: &SchedulerConfig,
    steps: usize,
    karras: Option<bool>,
) -> Result<Box<dyn Scheduler>> {
    build_one(sampler, config, steps, karras).map_err(|error| match error {
        Error::UnsupportedOption { path, sampler, option, .. } => {
            Error::UnsupportedOption { path, sampler, option, remedy: choose_another(config, karras) }
        }
        error => error,
    })
}

/// The advice to use a scheduler that works with this configuration. LCM is left out: it needs weights of its own.
fn choose_another(config: &SchedulerConfig, karras: Option<bool>) -> String {
    const FEW_STEPS: usize = 2;
    let works = |sampler: &Sampler| *sampler != Sampler::Lcm && build_one(*sampler, config, FEW_STEPS, karras).is_ok();
    let names: Vec<&str> = Sampler::ALL.into_iter().filter(works).map(Sampler::name).collect();
    match names.split_last() {
        None => "use another checkpoint, because no scheduler can use this file".to_owned(),
        Some((only, [])) => format!("use --scheduler {only}"),
        Some((last, others)) => format!("use --scheduler {} or {last}", others.join(", ")),
    }
}

fn build_one(
    sampler: Sampler,
    config: &SchedulerConfig,
    steps: usize,
    karras: Option<bool>,
) -> Result<Box<dyn Scheduler>> {
    if !(1..=config.num_train_timesteps()?).contains(&steps) {
        return Err(steps_out_of_range(steps, "from 1 to the checkpoint's number of training timesteps"));
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
