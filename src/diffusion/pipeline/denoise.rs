//! The denoising loop: from seeds to latents.

use std::time::Instant;

use candle_core::Tensor;

use super::{LATENTS, Pipeline, Timings, notify};
use crate::diffusion::noise::Generator;
use crate::diffusion::observer::{Event, Observer, Step};
use crate::diffusion::scheduler::{self, Scheduler};
use crate::diffusion::snapshot::{Progress, Snapshot, bad_snapshot};
use crate::diffusion::unet::{Conditioning, LayerScales, Probe, Tap};
use crate::diffusion::{Error, Result};
use crate::studio::settings::{Sampler, Settings};

/// One batch of seeds to denoise.
pub(super) struct Denoising<'a> {
    pub pipeline: &'a Pipeline,
    pub settings: &'a Settings,
    pub sampler: Sampler,
    /// In pixels.
    pub width: usize,
    pub height: usize,
    /// Whether each seed has a negative and a positive row.
    pub guided: bool,
    pub seeds: &'a [u64],
    pub probe: Option<&'a dyn Probe>,
}

impl Denoising<'_> {
    /// Latents [seeds, channels, h, w] after the last step.
    ///
    /// `conditioning` has the rows [negative, positive], or the positive alone without guidance. With `from`, the loop
    /// resumes after the snapshot's step.
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
        let of = timesteps.len();

        let mut noise = Noise { generators: seeds.iter().map(|&seed| Generator::new(seed)).collect(), draws: 0 };
        let (mut latents, done) = match from {
            Some(from) => self.restore(from, &mut *scheduler, of, &mut noise)?,
            None => ((noise.draw(self)? * scheduler.init_noise_sigma())?, 0),
        };

        let loop_started = Instant::now();
        for (index, &timestep) in timesteps.iter().enumerate().skip(done) {
            let started = Instant::now();
            let step = index + 1;
            let span = tracing::debug_span!("step", step, of).entered();
            let scales = if self.adapter_is_on(index, of) { &on } else { &off };
            let tap = self.probe.filter(|probe| probe.wants(step, of)).map(|probe| Tap { probe, step });
            let input = scheduler.scale_model_input(&latents, index)?; // [seeds, channels, h, w]
            let output = self.predict(&input, timestep, &conditioning, scales, tap)?;
            let denoised = scheduler.step(&output, index, &latents, &mut || noise.draw(self))?;
            latents = denoised.sample;
            self.require_finite(&latents, step, of)?;
            timings.step_s.push(started.elapsed().as_secs_f64());
            drop(span);
            let preview = || pipeline.preview(&denoised.predicted_original);
            let snapshot = || {
                let (sampler, seeds) = (self.sampler.name().to_owned(), seeds.to_vec());
                let progress = Progress { sampler, seeds, done: step, of, draws: noise.draws };
                Ok(Snapshot { progress, latents: latents.clone(), history: scheduler.history() })
            };
            let event = Step { index: step, of, timestep, seeds, preview: &preview, snapshot: &snapshot };
            notify(observer, Event::Step(event))?;
        }
        timings.denoise_s += loop_started.elapsed().as_secs_f64();
        Ok(latents)
    }

    /// The latents of a snapshot and the number of steps behind them. Restores the scheduler and the noise to that step.
    fn restore(
        &self,
        from: Snapshot,
        scheduler: &mut dyn Scheduler,
        of: usize,
        noise: &mut Noise,
    ) -> Result<(Tensor, usize)> {
        let (channels, height, width) = self.shape();
        from.require_fit(self.sampler, self.seeds, of, &[self.seeds.len(), channels, height, width])?;
        let (done, draws) = (from.progress.done, from.progress.draws);
        let (latents, history) = from.to_device(&self.pipeline.compute.device)?;
        if !scheduler.restore(history, done) {
            let sampler = self.sampler;
            return Err(bad_snapshot(format!("its history is not that of {sampler} after {done} steps")));
        }
        for _ in 0..draws {
            noise.draw(self)?;
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
        tap: Option<Tap<'_>>,
    ) -> Result<Tensor> {
        let unet = &self.pipeline.unet;
        if !self.guided {
            return Ok(unet.forward(input, timestep, conditioning, scales, tap)?.to_dtype(LATENTS)?);
        }
        let twice = Tensor::cat(&[input, input], 0)?; // [2·seeds, channels, h, w]
        let output = unet.forward(&twice, timestep, conditioning, scales, tap)?.to_dtype(LATENTS)?;
        let rows = output.chunk(2, 0)?;
        let (negative, positive) = (&rows[0], &rows[1]);
        Ok((negative + ((positive - negative)? * self.settings.guidance_scale)?)?)
    }

    /// Whether the adapter is on at step `index`, counted from 0, as diffusers decides for `control_guidance_start` and
    /// `control_guidance_end`.
    fn adapter_is_on(&self, index: usize, of: usize) -> bool {
        let (index, of) = (index as f64, of as f64);
        index / of >= self.settings.adapter_start && (index + 1.0) / of <= self.settings.adapter_end
    }

    /// Channels, height and width of one seed's latents.
    fn shape(&self) -> (usize, usize, usize) {
        let factor = self.pipeline.vae.factor();
        (self.pipeline.unet.in_channels(), self.height / factor, self.width / factor)
    }

    fn require_finite(&self, latents: &Tensor, step: usize, of: usize) -> Result<()> {
        // A sum is finite only if all of its terms are.
        if latents.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Ok(());
        }
        let remedy = match self.pipeline.compute.dtype {
            candle_core::DType::F16 => "try --dtype bf16 or f32, because some checkpoints overflow in float16",
            _ => "lower the guidance scale, or replace the checkpoint or adapter if its weights are damaged",
        };
        Err(Error::NotANumber { step, of, remedy })
    }
}

/// The noise of one batch.
struct Noise {
    /// One for each seed.
    generators: Vec<Generator>,
    /// How often noise was drawn.
    draws: usize,
}

impl Noise {
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
