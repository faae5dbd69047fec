//! ᾱ by timestep, for the schedulers that use whole training timesteps.

use super::steps_out_of_range;
use crate::diffusion::Result;

/// ᾱ for each training timestep, and for the end of the last step.
pub(super) struct Alphas {
    by_timestep: Vec<f32>,
    last: f32,
}

impl Alphas {
    /// `ends_at_one` is the option `set_alpha_to_one`. Without it, the last step ends at the ᾱ of timestep 0.
    pub fn new(by_timestep: Vec<f32>, ends_at_one: bool) -> Self {
        let last = if ends_at_one { 1.0 } else { by_timestep[0] };
        Self { by_timestep, last }
    }

    /// Fails if a timestep lies outside the training range, which `steps_offset` can cause.
    pub fn check(&self, timesteps: &[f64], steps: usize) -> Result<()> {
        let count = self.by_timestep.len() as f64;
        if timesteps.iter().all(|timestep| (-count..count).contains(timestep)) {
            return Ok(());
        }
        Err(steps_out_of_range(
            steps,
            "lower, because the checkpoint's steps_offset moves a timestep beyond its training range",
        ))
    }

    /// ᾱ at a timestep that passed [`check`](Self::check). Negative timesteps count from the end, as in Python.
    pub fn at(&self, timestep: f64) -> f32 {
        let count = self.by_timestep.len() as f64;
        self.by_timestep[if timestep < 0.0 { timestep + count } else { timestep } as usize]
    }

    /// ᾱ at the end of a step. The last step ends below timestep 0.
    pub fn after(&self, timestep: f64) -> f32 {
        if timestep >= 0.0 { self.at(timestep) } else { self.last }
    }
}
