//! The denoising loop: from seeds to latents.

use std::time::Instant;

use candle_core::Tensor;

use super::super::noise::Generator;
use super::super::observer::{Event, Observer, Step};
use super::super::scheduler::{self, Scheduler};
use super::super::snapshot::{Facts, Snapshot, bad};
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
    /// positive alone without guidance. `from`: where an earlier run of the same was left.
    pub fn run(
        &self,
        conditioning: &Conditioning,
        from: Option<Snapshot>,
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

        let mut source = Source { generators: seeds.iter().map(|&seed| Generator::new(seed)).collect(), draws: 0 };
        let (mut latents, done) = match from {
            Some(from) => self.go_on(from, &mut *scheduler, timesteps.len(), &mut source)?,
            None => ((source.draw(self)? * scheduler.init_noise_sigma())?, 0),
        };

        let begun = Instant::now();
        for (index, &timestep) in timesteps.iter().enumerate().skip(done) {
            let started = Instant::now();
            let scales = if self.adapter_is_on(index, timesteps.len()) { &on } else { &off };
            let input = scheduler.scale_model_input(&latents, index)?; // [seeds, channels, h, w]
            let output = self.predict(&input, timestep, &conditioning, scales)?;
            let denoised = scheduler.step(&output, index, &latents, &mut || source.draw(self))?;
            latents = denoised.sample;
            self.check_numbers(&latents, index + 1, timesteps.len())?;
            timings.step_s.push(started.elapsed().as_secs_f64());
            let preview = || pipeline.preview(&denoised.predicted_original);
            let snapshot = || {
                let (done, of, draws) = (index + 1, timesteps.len(), source.draws);
                let facts = Facts { sampler: self.sampler.name().to_owned(), seeds: seeds.to_vec(), done, of, draws };
                Ok(Snapshot { facts, latents: latents.clone(), memory: scheduler.history() })
            };
            let (index, of) = (index + 1, timesteps.len());
            let step = Step { index, of, timestep, seeds, preview: &preview, snapshot: &snapshot };
            tell(observer, Event::Step(step))?;
        }
        timings.denoise_s += begun.elapsed().as_secs_f64();
        Ok(latents)
    }

    /// The latents of a snapshot and how many steps they have behind them; sampler and noise are brought to where they
    /// were then.
    fn go_on(
        &self,
        from: Snapshot,
        scheduler: &mut dyn Scheduler,
        of: usize,
        source: &mut Source,
    ) -> Result<(Tensor, usize)> {
        let (channels, height, width) = self.shape();
        from.fits(self.sampler, self.seeds, of, &[self.seeds.len(), channels, height, width])?;
        let (done, draws) = (from.facts.done, from.facts.draws);
        let (latents, memory) = from.on(&self.pipeline.compute.device)?;
        if !scheduler.restore(memory, done) {
            return Err(bad(format!("it is not what {} remembers after {done} steps", self.sampler)));
        }
        for _ in 0..draws {
            source.draw(self)?;
        }
        Ok((latents, done))
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

    /// Channels, height and width of one seed's latents.
    fn shape(&self) -> (usize, usize, usize) {
        let factor = self.pipeline.vae.factor();
        (self.pipeline.unet.in_channels(), self.height / factor, self.width / factor)
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

/// Where a batch's noise comes from.
struct Source {
    /// One for each seed.
    generators: Vec<Generator>,
    /// How often it was drawn from.
    draws: usize,
}

impl Source {
    /// Standard normal values [seeds, channels, h, w], each row from its own seed's generator.
    fn draw(&mut self, batch: &Denoising<'_>) -> Result<Tensor> {
        let (channels, height, width) = batch.shape();
        let count = channels * height * width;
        let values: Vec<f32> = self.generators.iter_mut().flat_map(|generator| generator.randn(count)).collect();
        self.draws += 1;
        let shape = (self.generators.len(), channels, height, width);
        Ok(Tensor::from_vec(values, shape, &batch.pipeline.compute.device)?)
    }
}
