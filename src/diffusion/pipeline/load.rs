//! Loads a pipeline, component by component, and checks that the components fit each other.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use super::cache::Cache;
use super::text::TextEncoders;
use super::{Pipeline, ReferencePath, notify};
use crate::diffusion::adapter::{self, Adapter};
use crate::diffusion::checkpoint::{ProjectedImageEncoderConfig, UNetConfig, VaeConfig, Weights};
use crate::diffusion::compute::Compute;
use crate::diffusion::image_encoder::ImageEncoder;
use crate::diffusion::model::{AdapterFiles, Model};
use crate::diffusion::observer::{Event, Observer};
use crate::diffusion::preprocess::Preprocessor;
use crate::diffusion::scheduler::SchedulerConfig;
use crate::diffusion::unet::UNet;
use crate::diffusion::vae::VaeDecoder;
use crate::diffusion::{Error, Result};

impl Pipeline {
    /// Loads a model. The observer is told of each component and can stop between them.
    pub fn load(model: &Model, compute: &Compute, observer: &mut dyn Observer) -> Result<Self> {
        let _span = tracing::debug_span!("load_pipeline").entered();
        let started = Instant::now();
        let checkpoint = model.checkpoint()?;
        let parts = checkpoint.parts();
        let total = parts.text.len() + 2 + if model.adapter.is_some() { 2 } else { 0 };
        let mut progress = Progress { observer, index: 0, total };
        let weights = |component| checkpoint.weights(component, compute.dtype, &compute.device);

        for text in model.notes()? {
            notify(progress.observer, Event::Note { text: &text })?;
        }
        let scheduler = SchedulerConfig::of(&checkpoint)?;
        let text = TextEncoders::load(&checkpoint, compute, |folder| progress.loading(folder))?;

        progress.loading(parts.unet.folder)?;
        let unet_config: UNetConfig = checkpoint.config(parts.unet)?;
        let unet = UNet::load(&weights(parts.unet)?, &unet_config)?;
        require_text_width(&unet, text.width(), checkpoint.config_path(parts.unet))?;

        progress.loading(parts.vae.folder)?;
        let vae_config: VaeConfig = checkpoint.config(parts.vae)?;
        require_latent_channels(&unet_config, &vae_config, checkpoint.config_path(parts.vae))?;
        let vae_weights = checkpoint.weights(parts.vae, vae_config.decoder_dtype(compute.dtype), &compute.device)?;
        let vae = VaeDecoder::load(&vae_weights, &vae_config)?;

        let reference = model
            .adapter
            .as_ref()
            .map(|files| ReferencePath::load(files, &unet, compute, &mut progress))
            .transpose()?;
        Ok(Self {
            compute: compute.clone(),
            text,
            reference,
            unet,
            vae,
            scheduler,
            default_size: checkpoint.default_size(&unet_config, &vae_config),
            unet_config,
            vae_config,
            preview: OnceLock::new(),
            cache: Mutex::new(Cache::new()),
            load_s: started.elapsed().as_secs_f64(),
        })
    }
}

impl ReferencePath {
    fn load(files: &AdapterFiles, unet: &UNet, compute: &Compute, progress: &mut Progress<'_>) -> Result<Self> {
        progress.loading("image_encoder")?;
        let config = ProjectedImageEncoderConfig::load(&files.encoder)?;
        let weights = Weights::open(&files.encoder, "model", compute.dtype, &compute.device)?;
        let encoder = ImageEncoder::load(&weights, &config)?;
        let preprocessor = Preprocessor::load(&files.encoder, config.image_size)?;
        progress.loading("adapter")?;
        let weights = adapter::open(&files.folder, &files.name, compute.dtype, &compute.device)?;
        let adapter = Adapter::load(&weights)?;
        adapter.fits(&unet.sites().numbered_widths(), unet.sites().context())?;
        Ok(Self { preprocessor, encoder, adapter })
    }
}

struct Progress<'a> {
    observer: &'a mut dyn Observer,
    index: usize,
    total: usize,
}

impl Progress<'_> {
    fn loading(&mut self, component: &str) -> Result<()> {
        self.index += 1;
        notify(self.observer, Event::Loading { component, index: self.index, total: self.total })
    }
}

fn require_text_width(unet: &UNet, width: usize, config: PathBuf) -> Result<()> {
    match unet.sites().iter().find(|site| site.context != width) {
        Some(site) => {
            let reason = format!(
                "{} reads text states of width {}, but the text encoder makes {width}",
                site.name, site.context
            );
            Err(Error::BadConfig { path: config, reason })
        }
        None => Ok(()),
    }
}

fn require_latent_channels(unet: &UNetConfig, vae: &VaeConfig, config: PathBuf) -> Result<()> {
    if unet.in_channels == vae.latent_channels && unet.out_channels == vae.latent_channels {
        return Ok(());
    }
    let reason = format!(
        "its latents have {} channels, but the UNet reads {} and makes {}; inpainting and depth checkpoints cannot be \
         loaded",
        vae.latent_channels, unet.in_channels, unet.out_channels
    );
    Err(Error::BadConfig { path: config, reason })
}
