//! PNDM without Runge-Kutta steps (PLMS), the scheduler named in Stable Diffusion 1.x checkpoints: Liu et al., "Pseudo
//! numerical methods for diffusion models on manifolds", 2022. diffusers: `schedulers/scheduling_pndm.py`.

use candle_core::Tensor;

use super::alphas::Alphas;
use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::{combine, divided};
use super::mixture::Mixture;
use super::timesteps::Timesteps;
use super::{Denoised, History, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

pub(super) struct Pndm {
    alphas: Alphas,
    /// With two or more steps there is one timestep more than steps: the second one is visited twice.
    timesteps: Vec<f64>,
    /// Training timesteps per step.
    stride: f64,
    prediction: Prediction,
    /// Up to four model outputs, the newest last.
    outputs: Vec<Tensor>,
    /// The latents before the first step. The second step starts from them again.
    first: Option<Tensor>,
}

impl Pndm {
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        if !config.flag("skip_prk_steps", false)? {
            return Err(config.unsupported(Sampler::Pndm, "skip_prk_steps"));
        }
        let prediction = config.prediction_type()?;
        if prediction == Prediction::Sample {
            return Err(config.unsupported(Sampler::Pndm, "prediction_type"));
        }
        let train = config.num_train_timesteps()?;
        let by_timestep = alphas_cumprod(config, betas::LINEAR, ZeroSnr::Ignored)?;
        let alphas = Alphas::new(by_timestep, config.flag("set_alpha_to_one", false)?);
        let spacing = config.spacing("leading")?;
        let mut timesteps = Timesteps { spacing, train, steps, offset: config.steps_offset()? }.rounded();
        if let Some(&second) = timesteps.get(1) {
            timesteps.insert(1, second);
        }
        let stride = (train / steps) as f64;
        alphas.check(&timesteps, steps)?;
        if let Some(&second) = timesteps.get(1) {
            alphas.check(&[second + stride], steps)?;
        }
        Ok(Self { alphas, timesteps, stride, prediction, outputs: Vec::new(), first: None })
    }

    /// Combines the last model outputs (Adams-Bashforth, of the order that the history allows). Returns the combined
    /// output and the latents that the step starts from.
    fn extrapolate(&mut self, output: &Tensor, index: usize, sample: &Tensor) -> Result<(Tensor, Tensor)> {
        if index == 0 {
            self.outputs.clear();
            self.first = Some(sample.clone());
        }
        if let (1, Some(first)) = (index, self.first.take_if(|_| index == 1)) {
            // Repeat the first step with the mean of the outputs at both of its ends.
            let mean = combine([(0.5, output), (0.5, &self.outputs[0])])?;
            return Ok((mean, first));
        }
        if self.outputs.len() == 4 {
            self.outputs.remove(0);
        }
        self.outputs.push(output.clone());
        let combined = match self.outputs.as_slice() {
            [e3, e2, e1, e0] => divided(&combine([(55.0, e0), (-59.0, e1), (37.0, e2), (-9.0, e3)])?, 24.0)?,
            [e2, e1, e0] => divided(&combine([(23.0, e0), (-16.0, e1), (5.0, e2)])?, 12.0)?,
            [e1, e0] => divided(&combine([(3.0, e0), (-1.0, e1)])?, 2.0)?,
            _ => output.clone(),
        };
        Ok((combined, sample.clone()))
    }
}

impl Scheduler for Pndm {
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
        let (output, sample) = self.extrapolate(model_output, index, sample)?;
        let timestep = self.timesteps[index];
        let (from, to) =
            if index == 1 { (timestep + self.stride, timestep) } else { (timestep, timestep - self.stride) };
        let (alpha, next) = (self.alphas.at(from), self.alphas.after(to));
        let mixture = Mixture::of_alpha(alpha);
        let epsilon = mixture.predict_noise(self.prediction, &output, &sample)?;
        let original = mixture.predict_original(Prediction::Epsilon, &epsilon, &sample)?;
        // Equation 11, rearranged so that no digits cancel.
        let divisor = alpha * (1.0 - next).sqrt() + (alpha * (1.0 - alpha) * next).sqrt();
        let sample = combine([((next / alpha).sqrt(), &sample), (-(next - alpha) / divisor, &epsilon)])?;
        Ok(Denoised { sample, predicted_original: original })
    }

    fn history(&self) -> History {
        History { outputs: self.outputs.clone(), sample: self.first.clone() }
    }

    fn restore(&mut self, history: History, steps_done: usize) -> bool {
        // The second step does not add an output.
        let outputs = if steps_done < 2 { steps_done } else { (steps_done - 1).min(4) };
        let fits = history.outputs.len() == outputs && history.sample.is_some() == (steps_done == 1);
        self.outputs = history.outputs;
        self.first = history.sample;
        fits
    }
}
