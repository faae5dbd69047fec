//! ᾱ by time, for the samplers that count in whole times of the training.

use super::steps_out_of_range;
use crate::diffusion::Result;

/// ᾱ by time, and after the last step.
pub(super) struct Alphas {
    by_time: Vec<f32>,
    last: f32,
}

impl Alphas {
    /// `ends_at_one`: `set_alpha_to_one`; otherwise a run ends at the ᾱ of time 0.
    pub fn new(by_time: Vec<f32>, ends_at_one: bool) -> Self {
        let last = if ends_at_one { 1.0 } else { by_time[0] };
        Self { by_time, last }
    }

    /// Refuses times past the training, where `steps_offset` can lead.
    pub fn check(&self, timesteps: &[f64], steps: usize) -> Result<()> {
        let count = self.by_time.len() as f64;
        if timesteps.iter().all(|time| (-count..count).contains(time)) {
            return Ok(());
        }
        Err(steps_out_of_range(
            steps,
            "so low that the timesteps, moved by the checkpoint's steps_offset, are all among those of its training",
        ))
    }

    /// At a time that [`check`](Self::check) let pass; −1 is the last one, as in Python.
    pub fn at(&self, time: f64) -> f32 {
        let count = self.by_time.len() as f64;
        self.by_time[if time < 0.0 { time + count } else { time } as usize]
    }

    /// At the end of a step, which lies below time 0 if it is the last.
    pub fn after(&self, time: f64) -> f32 {
        if time >= 0.0 { self.at(time) } else { self.last }
    }
}
