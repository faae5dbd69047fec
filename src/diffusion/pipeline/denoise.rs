//! The denoising loop: from seeds to latents.

use std::time::Instant;

use candle_core::Tensor;

use super::super::noise::Generator;
use super::super::observer::{Event, Observer, Step};
use super::super::scheduler;
use super::super::unet::{Conditioning, LayerScales};
use super::super::{Error, Result};
use super::{LATENTS, Pipeline, Timings, tell};
use crate::studio::settings::{Sampler, Settings};

/// One batch of seeds on its way.
pub(super) struct Denoising<'a> {
    pub pipeline: &'a Pipeline,
    pub settings: &'a Settings,
    pub sampler: Sampler,
    pub width: usize,
    pub height: usize,
    pub guided: bool,
    pub seeds: &'a [u64],
}

impl Denoising<'_> {
    /// Latents [seeds, channels, h, w] after the last step. `conditioning` has the rows [negative, positive], or the
    /// positive alone without guidance.
    pub fn run(
        &self,
        conditioning: &Conditioning,
        timings: &mut Timings,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let Self { pipeline, settings, seeds, .. } = self;
        let conditioning = conditioning.repeat(seeds.len())?;
        let on = LayerScales::new(pipeline.unet.sites(), &settings.adapter_scale);
        let off = LayerScales::off(pipeline.unet.sites());
        let mut scheduler =
            scheduler::build(self.sampler, &pipeline.scheduler, settings.steps, settings.karras_sigmas)?;
        let timesteps = scheduler.timesteps().to_vec();

        let mut generators: Vec<Generator> = seeds.iter().map(|&seed| Generator::new(seed)).collect();
        let mut noise = || self.noise(&mut generators);
        let mut latents = (noise()? * scheduler.init_noise_sigma())?;

        let begun = Instant::now();
        for (index, &timestep) in timesteps.iter().enumerate() {
            let started = Instant::now();
            let scales = if self.adapter_is_on(index, timesteps.len()) { &on } else { &off };
            let input = scheduler.scale_model_input(&latents, index)?; // [seeds, channels, h, w]
            let output = self.predict(&input, timestep, &conditioning, scales)?;
            let denoised = scheduler.step(&output, index, &latents, &mut noise)?;
            latents = denoised.sample;
            self.check_numbers(&latents, index + 1, timesteps.len())?;
            timings.step_s.push(started.elapsed().as_secs_f64());
            let preview = || pipeline.preview(&denoised.predicted_original);
            let step = Step { index: index + 1, of: timesteps.len(), timestep, seeds, preview: &preview };
            tell(observer, Event::Step(step))?;
        }
        timings.denoise_s += begun.elapsed().as_secs_f64();
        Ok(latents)
    }

    /// The model's output in float32; with guidance negative + scale · (positive − negative)
    /// (Ho & Salimans 2022, "Classifier-Free Diffusion Guidance").
    fn predict(
        &self,
        input: &Tensor,
        timestep: f64,
        conditioning: &Conditioning,
        scales: &LayerScales,
    ) -> Result<Tensor> {
        let unet = &self.pipeline.unet;
        if !self.guided {
            return Ok(unet.forward(input, timestep, conditioning, scales)?.to_dtype(LATENTS)?);
        }
        let twice = Tensor::cat(&[input, input], 0)?; // [2·seeds, channels, h, w]
        let output = unet.forward(&twice, timestep, conditioning, scales)?.to_dtype(LATENTS)?;
        let rows = output.chunk(2, 0)?;
        let (negative, positive) = (&rows[0], &rows[1]);
        Ok((negative + ((positive - negative)? * self.settings.guidance_scale)?)?)
    }

    /// As diffusers counts for its `control_guidance_start` and `_end`.
    fn adapter_is_on(&self, index: usize, of: usize) -> bool {
        let (index, of) = (index as f64, of as f64);
        index / of >= self.settings.adapter_start && (index + 1.0) / of <= self.settings.adapter_end
    }

    /// Standard normal values [seeds, channels, h, w], each row from its own seed's generator.
    fn noise(&self, generators: &mut [Generator]) -> Result<Tensor> {
        let factor = self.pipeline.vae.factor();
        let shape = (self.pipeline.unet.in_channels(), self.height / factor, self.width / factor);
        let count = shape.0 * shape.1 * shape.2;
        let values: Vec<f32> = generators.iter_mut().flat_map(|generator| generator.randn(count)).collect();
        let shape = (generators.len(), shape.0, shape.1, shape.2);
        Ok(Tensor::from_vec(values, shape, &self.pipeline.compute.device)?)
    }

    fn check_numbers(&self, latents: &Tensor, step: usize, of: usize) -> Result<()> {
        // A sum is no number as soon as one of its terms is none.
        if latents.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Ok(());
        }
        let remedy = match self.pipeline.compute.dtype {
            candle_core::DType::F16 => "float16 overflows in some checkpoints: try --dtype bf16 or f32",
            _ => "the checkpoint or the adapter holds damaged weights, or the guidance is far too high",
        };
        Err(Error::NotANumber { step, of, remedy })
    }
}
