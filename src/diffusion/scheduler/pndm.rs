//! Pseudo numerical methods: Liu et al., "Pseudo numerical methods for diffusion models on manifolds", 2022, in the
//! form without Runge-Kutta steps (PLMS) that Stable Diffusion 1.x names as its own. diffusers:
//! `schedulers/scheduling_pndm.py`.

use candle_core::Tensor;

use super::alphas::Alphas;
use super::betas::{self, ZeroSnr, alphas_cumprod};
use super::combine::{combine, divided};
use super::mixture::Mixture;
use super::timesteps::Timesteps;
use super::{Denoised, Memory, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

pub(super) struct Pndm {
    alphas: Alphas,
    /// One more than the steps asked for, when there are two or more: the second time is visited twice.
    timesteps: Vec<f64>,
    /// How many times of the training one step covers.
    stride: f64,
    prediction: Prediction,
    /// Up to four outputs, the newest last.
    outputs: Vec<Tensor>,
    /// The latents before the first step, from which the second one starts again.
    first: Option<Tensor>,
}

impl Pndm {
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        if !config.flag("skip_prk_steps", false)? {
            return Err(config.bad(
                "skip_prk_steps is not true, but this program does not have the Runge-Kutta steps of the sampler \
                 pndm; choose another one with --scheduler",
            ));
        }
        let prediction = config.prediction_type()?;
        if prediction == Prediction::Sample {
            return Err(config.unsupported(Sampler::Pndm, "prediction_type"));
        }
        let train = config.num_train_timesteps()?;
        let by_time = alphas_cumprod(config, betas::LINEAR, ZeroSnr::Ignored)?;
        let alphas = Alphas::new(by_time, config.flag("set_alpha_to_one", false)?);
        let spacing = config.spacing("leading")?;
        let mut timesteps = Timesteps { spacing, train, steps, offset: config.steps_offset()? }.whole();
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

    /// Adams-Bashforth of the order that the outputs so far allow, and the latents it starts from.
    fn extrapolate(&mut self, output: &Tensor, index: usize, sample: &Tensor) -> Result<(Tensor, Tensor)> {
        if index == 0 {
            self.outputs.clear();
            self.first = Some(sample.clone());
        }
        if let (1, Some(first)) = (index, self.first.take_if(|_| index == 1)) {
            // The same step once more, with the mean of the slopes at both of its ends.
            let slope = combine([(0.5, output), (0.5, &self.outputs[0])])?;
            return Ok((slope, first));
        }
        if self.outputs.len() == 4 {
            self.outputs.remove(0);
        }
        self.outputs.push(output.clone());
        let slope = match self.outputs.as_slice() {
            [e3, e2, e1, e0] => divided(&combine([(55.0, e0), (-59.0, e1), (37.0, e2), (-9.0, e3)])?, 24.0)?,
            [e2, e1, e0] => divided(&combine([(23.0, e0), (-16.0, e1), (5.0, e2)])?, 12.0)?,
            [e1, e0] => divided(&combine([(3.0, e0), (-1.0, e1)])?, 2.0)?,
            _ => output.clone(),
        };
        Ok((slope, sample.clone()))
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
        let (slope, sample) = self.extrapolate(model_output, index, sample)?;
        let time = self.timesteps[index];
        let (from, to) = if index == 1 { (time + self.stride, time) } else { (time, time - self.stride) };
        let (alpha, next) = (self.alphas.at(from), self.alphas.after(to));
        let mixture = Mixture::of_alpha(alpha);
        let epsilon = mixture.epsilon(self.prediction, &slope, &sample)?;
        let picture = mixture.picture(Prediction::Epsilon, &epsilon, &sample)?;
        // Equation 11, with differences that do not cancel.
        let divisor = alpha * (1.0 - next).sqrt() + (alpha * (1.0 - alpha) * next).sqrt();
        let sample = combine([((next / alpha).sqrt(), &sample), (-(next - alpha) / divisor, &epsilon)])?;
        Ok(Denoised { sample, predicted_original: picture })
    }

    fn memory(&self) -> Memory {
        Memory { outputs: self.outputs.clone(), sample: self.first.clone() }
    }

    fn restore(&mut self, memory: Memory, done: usize) -> bool {
        // The second step leaves no output of its own.
        let outputs = if done < 2 { done } else { (done - 1).min(4) };
        let fits = memory.outputs.len() == outputs && memory.sample.is_some() == (done == 1);
        self.outputs = memory.outputs;
        self.first = memory.sample;
        fits
    }
}
