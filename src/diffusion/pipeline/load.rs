//! Loading a pipeline: each component from its folder, and whether they belong together.

use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use super::super::adapter::Adapter;
use super::super::checkpoint::{Files, ProjectedImageEncoderConfig, TextEncoderConfig, UNetConfig, VaeConfig, Weights};
use super::super::compute::Compute;
use super::super::image_encoder::ImageEncoder;
use super::super::model::Model;
use super::super::observer::{Event, Observer};
use super::super::preprocess::Preprocessor;
use super::super::scheduler::SchedulerConfig;
use super::super::text_encoder::TextEncoder;
use super::super::tokenizer::Tokenizer;
use super::super::unet::UNet;
use super::super::vae::VaeDecoder;
use super::super::{Error, Result};
use super::{Pipeline, Read, ReferencePath, tell};

impl Pipeline {
    /// Loads a model; the observer sees each component and can stop between them.
    pub fn load(model: &Model, compute: &Compute, observer: &mut dyn Observer) -> Result<Self> {
        let started = Instant::now();
        let files = &model.files;
        require_folder(files)?;
        let mut progress = Progress { observer, index: 0, total: if model.adapter.is_some() { 5 } else { 3 } };
        let open = |folder: &Files, stem: &str| Weights::open(folder, stem, compute.dtype, &compute.device);

        let scheduler = SchedulerConfig::load(&files.folder("scheduler"))?;
        let tokenizer = Tokenizer::load(&files.folder("tokenizer"))?;

        progress.loading("text_encoder")?;
        let folder = files.folder("text_encoder");
        let text_config: TextEncoderConfig = folder.json("config.json")?;
        fits_vocabulary(&tokenizer, &text_config, &folder)?;
        let text_encoder = TextEncoder::load(&open(&folder, "model")?, &text_config)?;

        progress.loading("unet")?;
        let folder = files.folder("unet");
        let unet_config: UNetConfig = folder.json("config.json")?;
        let unet = UNet::load(&open(&folder, "diffusion_pytorch_model")?, &unet_config)?;
        fits_text(&unet, &text_config, &folder)?;

        progress.loading("vae")?;
        let folder = files.folder("vae");
        let vae_config: VaeConfig = folder.json("config.json")?;
        fits_latents(&unet_config, &vae_config, &folder)?;
        let vae = VaeDecoder::load(&open(&folder, "diffusion_pytorch_model")?, &vae_config)?;

        let reference = match &model.adapter {
            None => None,
            Some(own) => {
                progress.loading("image_encoder")?;
                let config: ProjectedImageEncoderConfig = own.encoder.json("config.json")?;
                let encoder = ImageEncoder::load(&open(&own.encoder, "model")?, &config)?;
                let preprocessor = Preprocessor::load(&own.encoder, config.image_size)?;
                progress.loading("adapter")?;
                let weights = Weights::open_in(&own.folder, &own.name, compute.dtype, &compute.device)?;
                let adapter = Adapter::load(&weights)?;
                adapter.fits(&unet.sites().numbered_widths(), unet.sites().context())?;
                Some(ReferencePath { preprocessor, encoder, adapter })
            }
        };
        Ok(Self {
            compute: compute.clone(),
            tokenizer,
            text_encoder,
            reference,
            unet,
            vae,
            scheduler,
            unet_config,
            vae_config,
            preview: OnceLock::new(),
            read: Mutex::new(Read::new()),
            load_s: started.elapsed().as_secs_f64(),
        })
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
        tell(self.observer, Event::Loading { component, index: self.index, total: self.total })
    }
}

fn require_folder(files: &Files) -> Result<()> {
    if files.exists() && files.folder("unet").exists() {
        return Ok(());
    }
    let what = if files.exists() { "it has no unet/ folder" } else { "there is no such folder" };
    Err(Error::Missing {
        path: files.path(),
        what: what.to_owned(),
        remedy: "give a diffusers folder (model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/)"
            .to_owned(),
    })
}

fn fits_vocabulary(tokenizer: &Tokenizer, config: &TextEncoderConfig, folder: &Files) -> Result<()> {
    let (tokens, known) = (tokenizer.vocab_size(), config.vocab_size);
    if tokens <= known && tokenizer.length() <= config.max_position_embeddings {
        return Ok(());
    }
    let reason = format!(
        "it knows {known} tokens at {} positions, but the tokenizer has {tokens} tokens and makes {} of a prompt",
        config.max_position_embeddings,
        tokenizer.length()
    );
    Err(Error::BadConfig { path: folder.path_of("config.json"), reason })
}

fn fits_text(unet: &UNet, config: &TextEncoderConfig, folder: &Files) -> Result<()> {
    if let Some(site) = unet.sites().iter().find(|site| site.context != config.hidden_size) {
        let reason = format!(
            "{} reads text states of width {}, but the text encoder makes {}",
            site.name, site.context, config.hidden_size
        );
        return Err(Error::BadConfig { path: folder.path_of("config.json"), reason });
    }
    Ok(())
}

fn fits_latents(unet: &UNetConfig, vae: &VaeConfig, folder: &Files) -> Result<()> {
    if unet.in_channels == vae.latent_channels && unet.out_channels == vae.latent_channels {
        return Ok(());
    }
    let reason = format!(
        "its latents have {} channels, but the UNet reads {} and makes {} (inpainting and depth checkpoints are of \
         another kind)",
        vae.latent_channels, unet.in_channels, unet.out_channels
    );
    Err(Error::BadConfig { path: folder.path_of("config.json"), reason })
}
