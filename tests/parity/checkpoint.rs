//! The tiny checkpoints and adapters, loaded with the library's loaders.

use candle_core::{DType, Device, Tensor};
use pentimento::diffusion::adapter::Adapter;
use pentimento::diffusion::checkpoint::{Files, ProjectedImageEncoderConfig, Weights};
use pentimento::diffusion::image_encoder::ImageEncoder;
use pentimento::diffusion::preprocess::Preprocessor;
use pentimento::diffusion::scheduler::SchedulerConfig;
use pentimento::diffusion::text_encoder::TextEncoder;
use pentimento::diffusion::tokenizer::Tokenizer;
use pentimento::diffusion::unet::UNet;
use pentimento::diffusion::vae::VaeDecoder;

use crate::golden::data;

pub const NAMES: [&str; 2] = ["sd1", "vpred"];
pub const ADAPTERS: [&str; 3] = ["linear", "plus", "full"];

pub struct Checkpoint {
    pub tokenizer: Tokenizer,
    pub text_encoder: TextEncoder,
    pub unet: UNet,
    pub vae: VaeDecoder,
    pub scheduler: SchedulerConfig,
}

impl Checkpoint {
    pub fn load(name: &str) -> Self {
        let files = Files::on_disk(data().join(name));
        let component = |folder: &str, stem: &str| (files.folder(folder), weights(&files.folder(folder), stem));
        let (text_encoder, text_weights) = component("text_encoder", "model");
        let (unet, unet_weights) = component("unet", "diffusion_pytorch_model");
        let (vae, vae_weights) = component("vae", "diffusion_pytorch_model");
        Self {
            tokenizer: tokenizer(name),
            text_encoder: TextEncoder::load(&text_weights, &text_encoder.json("config.json").unwrap()).unwrap(),
            unet: UNet::load(&unet_weights, &unet.json("config.json").unwrap()).unwrap(),
            vae: VaeDecoder::load(&vae_weights, &vae.json("config.json").unwrap()).unwrap(),
            scheduler: SchedulerConfig::load(&files.folder("scheduler")).unwrap(),
        }
    }

    /// The text states of the prompts, one row each: [prompts, tokens, width].
    pub fn text(&self, prompts: &[&str]) -> Tensor {
        let rows = prompts.iter().map(|prompt| {
            let ids = self.tokenizer.encode(prompt).unwrap().ids;
            let ids = Tensor::from_slice(&ids, (1, ids.len()), &Device::Cpu).unwrap();
            self.text_encoder.forward(&ids).unwrap()
        });
        Tensor::cat(&rows.collect::<Vec<_>>(), 0).unwrap()
    }
}

pub fn tokenizer(name: &str) -> Tokenizer {
    Tokenizer::load(&Files::on_disk(data().join(name)).folder("tokenizer")).unwrap()
}

/// A folder of adapters and the image encoder that they share.
pub struct AdapterFolder {
    files: Files,
    pub encoder: ImageEncoder,
    pub preprocessor: Preprocessor,
}

impl AdapterFolder {
    pub fn load(checkpoint: &str) -> Self {
        let files = Files::on_disk(data().join(format!("{checkpoint}-adapters")));
        let folder = files.folder("image_encoder");
        let config: ProjectedImageEncoderConfig = folder.json("config.json").unwrap();
        Self {
            encoder: ImageEncoder::load(&weights(&folder, "model"), &config).unwrap(),
            preprocessor: Preprocessor::load(&folder, config.image_size).unwrap(),
            files,
        }
    }

    pub fn adapter(&self, kind: &str) -> Adapter {
        let name = format!("ip-adapter_{kind}.safetensors");
        Adapter::load(&Weights::open_in(&self.files, &name, DType::F32, &Device::Cpu).unwrap()).unwrap()
    }
}

fn weights(folder: &Files, stem: &str) -> Weights {
    Weights::open(folder, stem, DType::F32, &Device::Cpu).unwrap()
}
