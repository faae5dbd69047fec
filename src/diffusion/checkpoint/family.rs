//! The families of checkpoints that this program loads: what each consists of, and how it is recognised.

use serde::Deserialize;

use super::config::UNetConfig;
use super::files::{Files, USE_DIFFUSERS_FOLDER};
use crate::diffusion::{Error, Result};

/// A family of checkpoints with the same components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Stable Diffusion 1.x, with OpenAI's CLIP ViT-L/14 text encoder.
    Sd1,
    /// Stable Diffusion 2.x, with OpenCLIP's ViT-H/14 text encoder.
    Sd2,
}

/// What a checkpoint consists of. Sizes come from the components' own config files.
#[derive(Debug)]
pub struct Parts {
    /// The UNet looks at their states side by side, in this order. No family here has a pooled text state.
    pub text: &'static [TextPart],
    pub unet: Component,
    pub vae: Component,
    /// The folder of `scheduler_config.json`.
    pub scheduler: &'static str,
    /// Width and height in pixels of a picture where the UNet's config does not name a size.
    pub default_size: usize,
}

/// A component with weights.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    pub folder: &'static str,
    /// The name of its weights file, without `.safetensors`.
    pub stem: &'static str,
}

/// A tokenizer and the text encoder that reads its tokens.
#[derive(Debug)]
pub struct TextPart {
    pub tokenizer: &'static str,
    pub encoder: Component,
}

const UNET: Component = Component { folder: "unet", stem: "diffusion_pytorch_model" };
const VAE: Component = Component { folder: "vae", stem: "diffusion_pytorch_model" };
const TEXT_ENCODER: Component = Component { folder: "text_encoder", stem: "model" };

const SD1: Parts = Parts {
    text: &[TextPart { tokenizer: "tokenizer", encoder: TEXT_ENCODER }],
    unet: UNET,
    vae: VAE,
    scheduler: "scheduler",
    default_size: 512,
};
const SD2: Parts = Parts {
    text: &[TextPart { tokenizer: "tokenizer", encoder: TEXT_ENCODER }],
    unet: UNET,
    vae: VAE,
    scheduler: "scheduler",
    default_size: 512,
};

impl Family {
    pub const ALL: [Self; 2] = [Self::Sd1, Self::Sd2];

    /// What checkpoints of this family consist of.
    pub fn parts(self) -> &'static Parts {
        match self {
            Self::Sd1 => &SD1,
            Self::Sd2 => &SD2,
        }
    }

    /// The family's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sd1 => "Stable Diffusion 1.x",
            Self::Sd2 => "Stable Diffusion 2.x",
        }
    }

    /// Recognises the family of a diffusers folder by its config files, and refuses families that do not load.
    pub fn recognise(folder: &Files) -> Result<Self> {
        let unet = folder.folder(UNET.folder);
        if !unet.exists() {
            return Err(without_unet(folder));
        }
        let config: UNetConfig = unet.json("config.json")?;
        // SDXL conditions its UNet on sizes and on a pooled text state; only the refiner lacks the first text encoder.
        if config.addition_embed_type.as_deref() == Some("text_time") {
            let refiner = !folder.folder(TEXT_ENCODER.folder).exists();
            let family = if refiner { "Stable Diffusion XL refiner" } else { "Stable Diffusion XL" };
            return Err(Error::UnsupportedFamily { path: folder.path(), family: family.to_owned() });
        }
        // SD 2 replaced the 1×1 convolutions around its transformers by linear layers.
        Ok(if config.use_linear_projection { Self::Sd2 } else { Self::Sd1 })
    }
}

/// `model_index.json` names the pipeline that a folder was saved from.
#[derive(Deserialize)]
struct ModelIndex {
    #[serde(rename = "_class_name")]
    class: String,
}

/// A checkpoint without a UNet is of another family if it names its pipeline; otherwise it is incomplete.
fn without_unet(folder: &Files) -> Error {
    match folder.json::<ModelIndex>("model_index.json") {
        Ok(ModelIndex { class }) if class != "StableDiffusionPipeline" => {
            Error::UnsupportedFamily { path: folder.path(), family: class }
        }
        _ => Error::Missing {
            path: folder.path(),
            what: if folder.exists() { "is missing its unet/ folder" } else { "does not exist" }.to_owned(),
            remedy: USE_DIFFUSERS_FOLDER.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
