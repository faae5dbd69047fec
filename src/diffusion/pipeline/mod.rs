//! A generation from request to pictures.
//!
//! - `load`: components from their files
//! - `text`: prompts become text states
//! - `denoise`: seeds become latents
//! - `cache`: encoded prompts and references of the last generations
//! - `preview`: small pictures between the steps
//! - `request`: what goes in and what comes out

mod cache;
mod denoise;
mod load;
mod preview;
mod request;
#[cfg(test)]
mod tests;
mod text;

pub use request::{Generated, Output, Request, Timings, check_size};

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use candle_core::{DType, Tensor};
use image::RgbImage;

use self::cache::{Cache, EncodedPrompts, hash_of_inputs, hash_of_picture};
use self::denoise::Denoising;
use self::preview::Preview;
use self::request::check_ranges;
use self::text::TextEncoders;
use super::adapter::{Adapter, ImageTokens};
use super::checkpoint::{UNetConfig, VaeConfig};
use super::compute::Compute;
use super::image_encoder::ImageEncoder;
use super::memory;
use super::observer::{Event, Observer};
use super::preprocess::Preprocessor;
use super::scheduler::SchedulerConfig;
use super::snapshot::Snapshot;
use super::unet::{Conditioning, Probe, UNet};
use super::vae::{self, VaeDecoder};
use super::{Error, Result};
use crate::studio::settings::{LongPrompt, Settings};

/// All loaded components that a generation needs. Used by one thread at a time.
pub struct Pipeline {
    compute: Compute,
    text: TextEncoders,
    reference: Option<ReferencePath>,
    unet: UNet,
    vae: VaeDecoder,
    scheduler: SchedulerConfig,
    unet_config: UNetConfig,
    vae_config: VaeConfig,
    /// Width and height in pixels where the settings do not give them.
    default_size: usize,
    /// `Some(None)` if the decoder does not allow one.
    preview: OnceLock<Option<Preview>>,
    cache: Mutex<Cache>,
    load_s: f64,
}

/// The second conditioning path, from the reference to image tokens.
struct ReferencePath {
    preprocessor: Preprocessor,
    encoder: ImageEncoder,
    adapter: Adapter,
}

/// Samplers subtract numbers that are nearly equal, so latents stay in float32 whatever type the UNet computes in.
const LATENTS: DType = DType::F32;

impl Pipeline {
    /// Generates one picture for each seed. Checks the request's size and settings before computing.
    pub fn generate(&self, request: &Request, observer: &mut dyn Observer) -> Result<Generated> {
        self.run(request, None, None, observer)
    }

    /// Generates the same pictures as [`generate`](Self::generate), and shows both branches of every cross-attention
    /// to a probe.
    pub fn trace(&self, request: &Request, probe: &dyn Probe, observer: &mut dyn Observer) -> Result<Generated> {
        self.run(request, None, Some(probe), observer)
    }

    /// Generates the same pictures as [`generate`](Self::generate), to the byte, with the first batch resumed from a
    /// snapshot. Returns [`Error::BadSnapshot`] if the snapshot does not belong to this request.
    pub fn resume(&self, request: &Request, from: Snapshot, observer: &mut dyn Observer) -> Result<Generated> {
        self.run(request, Some(from), None, observer)
    }

    fn run(
        &self,
        request: &Request,
        mut from: Option<Snapshot>,
        probe: Option<&dyn Probe>,
        observer: &mut dyn Observer,
    ) -> Result<Generated> {
        let settings = &request.settings;
        let (width, height) = self.size(settings)?;
        check_ranges(settings)?;
        let batch = request.batch.clamp(1, request.seeds.len().max(1));
        let maps = memory::activations(&self.unet_config, &self.vae_config, self.compute.dtype, width, height, batch);
        memory::require(maps, &self.compute)?;
        let sampler = match settings.sampler {
            Some(sampler) => sampler,
            None => self.scheduler.own_sampler()?,
        };

        let mut timings = Timings::default();
        notify(observer, Event::Encoding)?;
        let started = Instant::now();
        let guided = settings.guidance_scale > 1.0;
        let conditioning = self.condition(request, guided, observer)?;
        timings.encode_s = started.elapsed().as_secs_f64();

        let mut outputs = Vec::with_capacity(request.seeds.len());
        for seeds in request.seeds.chunks(batch) {
            let denoising = Denoising { pipeline: self, settings, sampler, width, height, guided, seeds, probe };
            let latents = denoising.run(&conditioning, from.take(), &mut timings, observer)?; // [seeds, 4, h, w]
            for (row, &seed) in seeds.iter().enumerate() {
                notify(observer, Event::Decoding { seed })?;
                let started = Instant::now();
                let picture = self.decode(&latents.narrow(0, row, 1)?)?;
                timings.decode_s += started.elapsed().as_secs_f64();
                notify(observer, Event::Output { seed, picture: &picture })?;
                outputs.push(Output { seed, picture });
            }
        }
        Ok(Generated { outputs, timings, sampler, width, height })
    }

    /// Text states of prompts, [prompts, 77·chunks, C], all with as many chunks as the longest prompt needs.
    pub fn encode_text(&self, prompts: &[&str], long: LongPrompt, observer: &mut dyn Observer) -> Result<Tensor> {
        let mut truncated = |dropped: &str| observer.on(Event::PromptTruncated { dropped });
        self.text.encode(prompts, long, &self.compute.device, &mut truncated)
    }

    /// Image tokens of a reference.
    pub fn encode_reference(&self, reference: &RgbImage) -> Result<ImageTokens> {
        let path = self.reference.as_ref().ok_or(Error::NoAdapter)?;
        let pixels = path.preprocessor.pixel_values(reference, &self.compute.device)?; // [1, 3, S, S]
        path.adapter.image_tokens(&path.encoder, &pixels)
    }

    /// The picture of one row of latents, as the sampler returns them.
    pub fn decode(&self, latents: &Tensor) -> Result<RgbImage> {
        let _span = tracing::debug_span!("decode").entered();
        let decoded = self.vae.decode(&latents.to_dtype(self.vae.dtype())?)?.to_dtype(DType::F32)?;
        // A sum is finite only if all of its terms are.
        if !decoded.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Err(self.vae.undecodable());
        }
        let mut pictures = vae::pictures(&decoded)?;
        Ok(pictures.swap_remove(0))
    }

    /// How long loading took, in seconds.
    pub fn load_seconds(&self) -> f64 {
        self.load_s
    }

    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    pub fn unet(&self) -> &UNet {
        &self.unet
    }

    /// Drops all encoded prompts and references.
    pub fn forget(&self) {
        *self.cache() = Cache::new();
    }

    /// K and V of text and image for the rows \[negative, positive\], or for the positive alone without guidance, from
    /// the cache if possible. Reports truncated prompts in either case.
    fn condition(&self, request: &Request, guided: bool, observer: &mut dyn Observer) -> Result<Conditioning> {
        let both = [request.negative.as_str(), request.prompt.as_str()];
        let prompts = if guided { &both[..] } else { &both[1..] };
        let reference = request.reference.as_ref().map(|picture| (picture, hash_of_picture(picture)));
        let long = request.settings.long_prompt;
        let key = hash_of_inputs(prompts, long, reference.as_ref().map(|(_, hash)| hash));
        let cached = self.cache().conditioning.get(&key);
        if let Some(EncodedPrompts { conditioning, dropped }) = cached {
            for dropped in &dropped {
                notify(observer, Event::PromptTruncated { dropped })?;
            }
            return Ok(conditioning);
        }

        let mut dropped = Vec::new();
        let mut truncated = |text: &str| -> ControlFlow<()> {
            dropped.push(text.to_owned());
            observer.on(Event::PromptTruncated { dropped: text })
        };
        let text = self.text.encode(prompts, long, &self.compute.device, &mut truncated)?;
        let conditioning = match &reference {
            None => self.unet.conditioning(&text, None)?,
            Some((picture, hash)) => {
                let path = self.reference.as_ref().ok_or(Error::NoAdapter)?;
                let ImageTokens { conditional, unconditional } = self.tokens(picture, hash)?;
                let tokens = if guided { Tensor::cat(&[&unconditional, &conditional], 0)? } else { conditional };
                self.unet.conditioning(&text, Some((&path.adapter, &tokens.to_dtype(self.compute.dtype)?)))?
            }
        };
        self.cache().conditioning.put(key, EncodedPrompts { conditioning: conditioning.clone(), dropped });
        Ok(conditioning)
    }

    /// Image tokens of a reference, from the cache if possible.
    fn tokens(&self, picture: &RgbImage, hash: &blake3::Hash) -> Result<ImageTokens> {
        let cached = self.cache().tokens.get(hash);
        if let Some(tokens) = cached {
            return Ok(tokens);
        }
        let tokens = self.encode_reference(picture)?;
        self.cache().tokens.put(*hash, tokens.clone());
        Ok(tokens)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic cannot leave it half-changed.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self, settings: &Settings) -> Result<(usize, usize)> {
        let width = settings.width.unwrap_or(self.default_size);
        let height = settings.height.unwrap_or(self.default_size);
        check_size(width, height, self.vae.factor())?;
        Ok((width, height))
    }

    /// Small pictures of predicted latents, one for each row; none if the decoder does not allow an estimate.
    fn preview(&self, predicted: &Tensor) -> Vec<RgbImage> {
        let preview = self.preview.get_or_init(|| Preview::fit(&self.vae, self.vae_config.latent_channels).ok());
        preview.as_ref().and_then(|preview| preview.pictures(predicted).ok()).unwrap_or_default()
    }
}

/// Tells the observer; [`Error::Cancelled`] if it breaks off.
fn notify(observer: &mut dyn Observer, event: Event<'_>) -> Result<()> {
    if observer.on(event).is_break() { Err(Error::Cancelled) } else { Ok(()) }
}
