//! DDIM without added noise (η = 0): Song, Meng and Ermon, "Denoising diffusion implicit models", 2020, equation 12.
//! diffusers: `schedulers/scheduling_ddim.py`.

use candle_core::Tensor;

use super::alphas::Alphas;
use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::combine;
use super::mixture::{Mixture, clip};
use super::timesteps::Timesteps;
use super::{Denoised, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

pub(super) struct Ddim {
    alphas: Alphas,
    timesteps: Vec<f64>,
    /// Training timesteps per step.
    stride: f64,
    prediction: Prediction,
    clip: Option<f64>,
}

impl Ddim {
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.refuse_flags(Sampler::Ddim, &["thresholding"])?;
        let train = config.num_train_timesteps()?;
        let by_timestep = alphas_cumprod(config, betas::LINEAR, ZeroSnr::Exact)?;
        let alphas = Alphas::new(by_timestep, config.flag("set_alpha_to_one", true)?);
        let spacing = config.spacing("leading")?;
        let timesteps = Timesteps { spacing, train, steps, offset: config.steps_offset()? }.rounded();
        alphas.check(&timesteps, steps)?;
        let stride = (train / steps) as f64;
        Ok(Self { alphas, timesteps, stride, prediction: config.prediction_type()?, clip: config.clip(true)? })
    }
}

impl Scheduler for Ddim {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    fn scale_model_input(&self, sample: &Tensor, _: usize) -> Result<Tensor> {
        Ok(sample.clone())
    }

    fn step(&mut self, model_output: &Tensor, index: usize, sample: &Tensor, _: &mut Noise<'_>) -> Result<Denoised> {
        let timestep = self.timesteps[index];
        let (alpha, next) = (self.alphas.at(timestep), self.alphas.after(timestep - self.stride));
        let (mixture, next) = (Mixture::of_alpha(alpha), Mixture::of_alpha(next));
        let original = clip(mixture.predict_original(self.prediction, model_output, sample)?, self.clip)?;
        let epsilon = mixture.predict_noise(self.prediction, model_output, sample)?;
        let sample = combine([(next.signal, &original), (next.noise, &epsilon)])?;
        Ok(Denoised { sample, predicted_original: original })
    }
}
