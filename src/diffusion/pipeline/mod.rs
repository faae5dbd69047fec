//! A generation from request to pictures.

mod denoise;
mod load;
mod preview;
mod recent;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use candle_core::{DType, Tensor};
use image::RgbImage;

use self::denoise::Denoising;
use self::preview::Preview;
use self::recent::Recent;
use super::adapter::{Adapter, ImageTokens};
use super::checkpoint::{UNetConfig, VaeConfig};
use super::compute::Compute;
use super::image_encoder::ImageEncoder;
use super::memory;
use super::observer::{Event, Observer};
use super::preprocess::Preprocessor;
use super::scheduler::SchedulerConfig;
use super::snapshot::Snapshot;
use super::text_encoder::TextEncoder;
use super::tokenizer::Tokenizer;
use super::unet::{Conditioning, UNet};
use super::vae::{self, VaeDecoder};
use super::{Error, Result};
use crate::studio::settings::{LongPrompt, Sampler, Settings};

/// Everything loaded that a generation needs. Used by one thread at a time.
pub struct Pipeline {
    compute: Compute,
    tokenizer: Tokenizer,
    text_encoder: TextEncoder,
    reference: Option<ReferencePath>,
    unet: UNet,
    vae: VaeDecoder,
    scheduler: SchedulerConfig,
    unet_config: UNetConfig,
    vae_config: VaeConfig,
    preview: OnceLock<Option<Preview>>,
    /// What prompts and references came to, so that the next generation with the same ones need not read them again.
    read: Mutex<Read>,
    load_s: f64,
}

/// By the hash of what was read.
struct Read {
    conditioning: Recent<Conditioned>,
    tokens: Recent<ImageTokens>,
}

/// A conditioning, and what of the prompts it had no room for.
#[derive(Clone)]
struct Conditioned {
    conditioning: Conditioning,
    dropped: Vec<String>,
}

/// The second conditioning path: from the reference to image tokens.
struct ReferencePath {
    preprocessor: Preprocessor,
    encoder: ImageEncoder,
    adapter: Adapter,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Request {
    pub prompt: String,
    pub negative: String,
    /// `None`: the prompt alone.
    pub reference: Option<RgbImage>,
    /// One picture each.
    pub seeds: Vec<u64>,
    /// How many pictures are denoised at once; more is faster on a GPU and takes more memory.
    pub batch: usize,
    pub settings: Settings,
}

/// What was generated.
#[derive(Debug)]
pub struct Generated {
    pub outputs: Vec<Output>,
    pub timings: Timings,
    /// The sampler that was used, which the checkpoint chose if the settings did not.
    pub sampler: Sampler,
    pub width: usize,
    pub height: usize,
}

/// One seed's picture.
#[derive(Debug)]
pub struct Output {
    pub seed: u64,
    pub picture: RgbImage,
}

/// Where the time went, in seconds.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    pub encode_s: f64,
    pub denoise_s: f64,
    /// Each denoising step of each batch.
    pub step_s: Vec<f64>,
    pub decode_s: f64,
}

impl Pipeline {
    /// The size, sampler and limits of a request, checked before anything is computed.
    pub fn generate(&self, request: &Request, observer: &mut dyn Observer) -> Result<Generated> {
        self.begin(request, None, observer)
    }

    /// The same, but the first batch goes on from where it was left; the pictures are those that
    /// [`generate`](Self::generate) makes, to the byte. Refused with [`Error::BadSnapshot`] where the state is not one
    /// of this request.
    pub fn resume(&self, request: &Request, from: Snapshot, observer: &mut dyn Observer) -> Result<Generated> {
        self.begin(request, Some(from), observer)
    }

    fn begin(&self, request: &Request, mut from: Option<Snapshot>, observer: &mut dyn Observer) -> Result<Generated> {
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
        tell(observer, Event::Encoding)?;
        let started = Instant::now();
        let guided = settings.guidance_scale > 1.0;
        let conditioning = self.condition(request, guided, observer)?;
        timings.encode_s = started.elapsed().as_secs_f64();

        let mut outputs = Vec::with_capacity(request.seeds.len());
        for seeds in request.seeds.chunks(batch) {
            let denoising = Denoising { pipeline: self, settings, sampler, width, height, guided, seeds };
            let latents = denoising.run(&conditioning, from.take(), &mut timings, observer)?; // [seeds, 4, h, w]
            for (row, &seed) in seeds.iter().enumerate() {
                tell(observer, Event::Decoding { seed })?;
                let started = Instant::now();
                let picture = self.decode(&latents.narrow(0, row, 1)?)?;
                timings.decode_s += started.elapsed().as_secs_f64();
                tell(observer, Event::Output { seed, picture: &picture })?;
                outputs.push(Output { seed, picture });
            }
        }
        Ok(Generated { outputs, timings, sampler, width, height })
    }

    /// Text states of prompts, [prompts, 77·chunks, C], all with as many chunks as the longest needs.
    pub fn encode_text(&self, prompts: &[&str], long: LongPrompt, observer: &mut dyn Observer) -> Result<Tensor> {
        let mut chunks = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            chunks.push(match long {
                LongPrompt::Chunk => self.tokenizer.encode_chunks(prompt)?,
                LongPrompt::Truncate => {
                    let tokens = self.tokenizer.encode(prompt)?;
                    if let Some(dropped) = &tokens.dropped {
                        tell(observer, Event::PromptTruncated { dropped })?;
                    }
                    vec![tokens.ids]
                }
            });
        }
        let most = chunks.iter().map(Vec::len).max().unwrap_or(1);
        let empty = self.tokenizer.encode("")?.ids;
        let rows = chunks.into_iter().map(|mut chunks| {
            chunks.resize(most, empty.clone());
            let states = chunks.into_iter().map(|ids| {
                let ids = Tensor::from_vec(ids, (1, self.tokenizer.length()), &self.compute.device)?;
                self.text_encoder.forward(&ids) // [1, 77, C]
            });
            Ok(Tensor::cat(&states.collect::<Result<Vec<_>>>()?, 1)?)
        });
        Ok(Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// Image tokens of a reference.
    pub fn encode_reference(&self, reference: &RgbImage) -> Result<ImageTokens> {
        let path = self.reference.as_ref().ok_or(Error::NoAdapter)?;
        let pixels = path.preprocessor.pixel_values(reference, &self.compute.device)?; // [1, 3, S, S]
        path.adapter.image_tokens(&path.encoder, &pixels)
    }

    /// One row of latents as the sampler leaves them → its picture.
    pub fn decode(&self, latents: &Tensor) -> Result<RgbImage> {
        let decoded = self.vae.decode(&latents.to_dtype(self.compute.dtype)?)?;
        let mut pictures = vae::pictures(&decoded)?;
        Ok(pictures.swap_remove(0))
    }

    /// Seconds that loading took.
    pub fn load_seconds(&self) -> f64 {
        self.load_s
    }

    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    pub fn unet(&self) -> &UNet {
        &self.unet
    }

    /// Lets go of everything that was read from prompts and references.
    pub fn forget(&self) {
        *self.read() = Read::new();
    }

    /// K and V of text and image for the rows \[negative, positive\], or for the positive alone without guidance. Read
    /// once, and told to every observer.
    fn condition(&self, request: &Request, guided: bool, observer: &mut dyn Observer) -> Result<Conditioning> {
        let both = [request.negative.as_str(), request.prompt.as_str()];
        let prompts = if guided { &both[..] } else { &both[1..] };
        let reference = request.reference.as_ref().map(|picture| (picture, hash_of_picture(picture)));
        let long = request.settings.long_prompt;
        let key = hash_of_all(prompts, long, reference.as_ref().map(|(_, hash)| hash));
        let known = self.read().conditioning.get(&key);
        if let Some(Conditioned { conditioning, dropped }) = known {
            for dropped in &dropped {
                tell(observer, Event::PromptTruncated { dropped })?;
            }
            return Ok(conditioning);
        }

        let mut dropped = Vec::new();
        let mut overhear = |event: Event<'_>| {
            if let Event::PromptTruncated { dropped: text } = &event {
                dropped.push((*text).to_owned());
            }
            observer.on(event)
        };
        let text = self.encode_text(prompts, long, &mut overhear)?;
        let conditioning = match &reference {
            None => self.unet.conditioning(&text, None)?,
            Some((picture, hash)) => {
                let path = self.reference.as_ref().ok_or(Error::NoAdapter)?;
                let ImageTokens { conditional, unconditional } = self.tokens(picture, hash)?;
                let tokens = if guided { Tensor::cat(&[&unconditional, &conditional], 0)? } else { conditional };
                self.unet.conditioning(&text, Some((&path.adapter, &tokens.to_dtype(self.compute.dtype)?)))?
            }
        };
        self.read().conditioning.put(key, Conditioned { conditioning: conditioning.clone(), dropped });
        Ok(conditioning)
    }

    fn tokens(&self, picture: &RgbImage, hash: &blake3::Hash) -> Result<ImageTokens> {
        let known = self.read().tokens.get(hash);
        if let Some(tokens) = known {
            return Ok(tokens);
        }
        let tokens = self.encode_reference(picture)?;
        self.read().tokens.put(*hash, tokens.clone());
        Ok(tokens)
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        // Nothing in it is ever half-changed.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self, settings: &Settings) -> Result<(usize, usize)> {
        let factor = self.vae.factor();
        let trained = self.unet.sample_size().map_or(512, |side| side.saturating_mul(factor));
        let (width, height) = (settings.width.unwrap_or(trained), settings.height.unwrap_or(trained));
        check_size(width, height, factor)?;
        Ok((width, height))
    }

    /// A small picture a row from what the latents promise; none if the decoder does not allow an estimate.
    fn preview(&self, predicted: &Tensor) -> Vec<RgbImage> {
        let preview = self.preview.get_or_init(|| Preview::fit(&self.vae, self.vae_config.latent_channels).ok());
        preview.as_ref().and_then(|preview| preview.pictures(predicted).ok()).unwrap_or_default()
    }
}

/// Refuses sizes that the checkpoint cannot make: diffusers asks for multiples of 8, or of a larger VAE's factor.
pub fn check_size(width: usize, height: usize, factor: usize) -> Result<()> {
    let multiple = factor.max(8);
    let fits = |side: usize| side >= multiple && side.is_multiple_of(multiple);
    if fits(width) && fits(height) { Ok(()) } else { Err(Error::BadSize { width, height, multiple }) }
}

impl Read {
    /// Conditionings of the largest checkpoints take some tens of megabytes each, image tokens a few kilobytes.
    fn new() -> Self {
        Self { conditioning: Recent::new(4), tokens: Recent::new(32) }
    }
}

fn hash_of_picture(picture: &RgbImage) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&picture.width().to_le_bytes());
    hasher.update(picture.as_raw());
    hasher.finalize()
}

fn hash_of_all(prompts: &[&str], long: LongPrompt, reference: Option<&blake3::Hash>) -> blake3::Hash {
    blake3::hash(format!("{prompts:?} {long:?} {reference:?}").as_bytes())
}

fn check_ranges(settings: &Settings) -> Result<()> {
    let share = |name, value: f64| {
        if (0.0..=1.0).contains(&value) {
            Ok(())
        } else {
            Err(Error::OutOfRange { name, value: value.to_string(), range: "from 0 to 1" })
        }
    };
    share("adapter start", settings.adapter_start)?;
    share("adapter end", settings.adapter_end)?;
    if !settings.guidance_scale.is_finite() {
        let value = settings.guidance_scale.to_string();
        return Err(Error::OutOfRange { name: "guidance scale", value, range: "a number" });
    }
    Ok(())
}

fn tell(observer: &mut dyn Observer, event: Event<'_>) -> Result<()> {
    if observer.on(event).is_break() { Err(Error::Cancelled) } else { Ok(()) }
}

/// Latents are kept in float32 whatever the UNet computes in: samplers subtract numbers that are nearly equal.
const LATENTS: DType = DType::F32;
