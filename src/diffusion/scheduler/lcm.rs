//! The scheduler of latent consistency models, for checkpoints distilled for it: Luo et al., "Latent consistency
//! models", 2023, algorithm 3. diffusers: `schedulers/scheduling_lcm.py`.

use candle_core::Tensor;

use super::alphas::Alphas;
use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::combine;
use super::mixture::{Mixture, clip};
use super::{Denoised, Noise, Prediction, Scheduler, SchedulerConfig, steps_out_of_range};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

/// The standard deviation of the data that the boundary condition assumes.
const SIGMA_DATA: f32 = 0.5;

pub(super) struct Lcm {
    alphas: Alphas,
    timesteps: Vec<f64>,
    prediction: Prediction,
    clip: Option<f64>,
    timestep_scaling: f32,
}

impl Lcm {
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.refuse_flags(Sampler::Lcm, &["thresholding"])?;
        let train = config.num_train_timesteps()?;
        let distilled = match config.integer("original_inference_steps", 50)? {
            count if (1..=train as i64).contains(&count) => count as usize,
            count => {
                let reason = format!("original_inference_steps is {count}, but must be between 1 and {train}");
                return Err(config.invalid(reason));
            }
        };
        if steps > distilled {
            return Err(steps_out_of_range(steps, "at most the checkpoint's original_inference_steps (default 50)"));
        }
        let by_timestep = alphas_cumprod(config, betas::SCALED_LINEAR, ZeroSnr::Exact)?;
        Ok(Self {
            alphas: Alphas::new(by_timestep, config.flag("set_alpha_to_one", true)?),
            timesteps: timesteps(train / distilled, distilled, steps),
            prediction: config.prediction_type()?,
            clip: config.clip(false)?,
            timestep_scaling: config.number("timestep_scaling", 10.0)? as f32,
        })
    }
}

impl Scheduler for Lcm {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    fn scale_model_input(&self, sample: &Tensor, _: usize) -> Result<Tensor> {
        Ok(sample.clone())
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        index: usize,
        sample: &Tensor,
        noise: &mut Noise<'_>,
    ) -> Result<Denoised> {
        let timestep = self.timesteps[index];
        let mixture = Mixture::of_alpha(self.alphas.at(timestep));
        let original = clip(mixture.predict_original(self.prediction, model_output, sample)?, self.clip)?;
        // The boundary condition: at timestep 0 the sample is the original.
        let scaled = timestep as f32 * self.timestep_scaling;
        let variance = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        let (skip, out) = (SIGMA_DATA * SIGMA_DATA / variance, scaled / variance.sqrt());
        let denoised = combine([(out, &original), (skip, sample)])?;
        let sample = match self.timesteps.get(index + 1) {
            None => denoised.clone(),
            Some(&next) => {
                let next = Mixture::of_alpha(self.alphas.after(next));
                combine([(next.signal, &denoised), (next.noise, &noise()?)])?
            }
        };
        Ok(Denoised { sample, predicted_original: denoised })
    }
}

/// `steps` evenly chosen timesteps of the `distilled` ones k·stride − 1, from high to low.
fn timesteps(stride: usize, distilled: usize, steps: usize) -> Vec<f64> {
    let step = distilled as f64 / steps as f64;
    (0..steps).map(|index| ((distilled - (index as f64 * step) as usize) * stride) as f64 - 1.0).collect()
}
