//! IP-Adapter: turns a reference's features into tokens that the UNet looks at beside the text's.
//!
//! A file has two parts. `image_proj.…` makes the tokens; the names of its tensors tell which of three kinds it is
//! ([`linear`], [`full`], [`resampler`]). `ip_adapter.N.…` holds a pair of weights for each cross-attention N of the
//! UNet. `training` knows the names before
//! publication. The layout is tencent-ailab's, as h94/IP-Adapter publishes it and diffusers (`loaders/unet.py`) reads it. All
//! sizes come from the tensors.

pub mod full;
mod layout;
pub mod linear;
pub mod resampler;
mod training;

pub use training::{note, open};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use self::full::FullProjection;
use self::layout::{as_adapter_error, not_an_adapter, refuse_unknown, shape2};
use self::linear::LinearProjection;
use self::resampler::Resampler;
use super::checkpoint::Weights;
use super::image_encoder::ImageEncoder;
use super::{Error, Result};

/// The contents of an adapter file.
pub struct Adapter {
    pub projection: Projection,
    /// `to_k_ip` and `to_v_ip`, [hidden, C] each, by the number N of the cross-attention.
    layers: BTreeMap<usize, (Tensor, Tensor)>,
    path: PathBuf,
}

/// How features become tokens.
pub enum Projection {
    Linear(LinearProjection),
    Resampler(Resampler),
    Full(FullProjection),
}

/// The tokens that the image branch looks at, [1, T, C] each.
#[derive(Clone)]
pub struct ImageTokens {
    pub conditional: Tensor,
    pub unconditional: Tensor,
}

impl Adapter {
    /// Loads an adapter file. Returns [`Error::NotAnAdapter`] or [`Error::FaceId`] for other files.
    pub fn load(weights: &Weights) -> Result<Self> {
        let projection = Projection::load(weights).map_err(as_adapter_error)?;
        let layers = load_layers(weights, projection.context_size()).map_err(as_adapter_error)?;
        Ok(Self { projection, layers, path: weights.path() })
    }

    /// The tokens of a picture, pixel_values [1, 3, S, S], and the unconditional tokens for guidance.
    ///
    /// For the latter, a linear adapter projects zeros instead of the embedding. The others encode zeros instead of the
    /// normalised pixels, which is a picture in the mean colour (diffusers, `pipeline_stable_diffusion.py`,
    /// `encode_image`).
    pub fn image_tokens(&self, encoder: &ImageEncoder, pixel_values: &Tensor) -> Result<ImageTokens> {
        self.require_encoder(encoder)?;
        let features = if let Projection::Linear(_) = self.projection {
            let embeds = encoder.image_embeds(pixel_values)?; // [1, E]
            Tensor::cat(&[&embeds, &embeds.zeros_like()?], 0)?
        } else {
            let pixels = Tensor::cat(&[pixel_values, &pixel_values.zeros_like()?], 0)?;
            encoder.penultimate(&pixels)? // [2, N, E]
        };
        let tokens = self.projection.forward(&features)?; // [2, T, C]
        Ok(ImageTokens { conditional: tokens.narrow(0, 0, 1)?, unconditional: tokens.narrow(0, 1, 1)? })
    }

    /// `to_k_ip` and `to_v_ip` of cross-attention N, [hidden, C] each.
    pub fn layer(&self, number: usize) -> Option<(&Tensor, &Tensor)> {
        self.layers.get(&number).map(|(k, v)| (k, v))
    }

    /// The numbers of the cross-attentions that it has weights for, in rising order.
    pub fn layer_numbers(&self) -> Vec<usize> {
        self.layers.keys().copied().collect()
    }

    /// The width C of its tokens: the UNet's cross-attention width.
    pub fn context_size(&self) -> usize {
        self.projection.context_size()
    }

    /// The path of the file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that it fits a UNet with these cross-attentions, as (number, width), and this cross-attention width.
    pub fn fits(&self, cross_attentions: &[(usize, usize)], context: usize) -> Result<()> {
        if self.context_size() != context {
            return Err(self.mismatch(format!(
                "its cross-attention width is {}, but the checkpoint's is {}",
                with_family(self.context_size()),
                with_family(context)
            )));
        }
        for &(number, width) in cross_attentions {
            let Some((to_k, _)) = self.layer(number) else {
                return Err(self.mismatch(format!(
                    "it has no layer {number}, but the checkpoint has {} cross-attentions, numbered up to {}",
                    cross_attentions.len(),
                    cross_attentions.iter().map(|(number, _)| *number).max().unwrap_or_default()
                )));
            };
            let found = to_k.dim(0)?;
            if found != width {
                return Err(
                    self.mismatch(format!("its layer {number} has width {found}, but the checkpoint's has {width}"))
                );
            }
        }
        match self.layers.keys().find(|number| !cross_attentions.iter().any(|(known, _)| known == *number)) {
            Some(extra) => Err(self.mismatch(format!(
                "it has a layer {extra}, but the checkpoint's {} cross-attentions have no such number",
                cross_attentions.len()
            ))),
            None => Ok(()),
        }
    }

    /// Checks that it reads the features that this image encoder makes.
    fn require_encoder(&self, encoder: &ImageEncoder) -> Result<()> {
        let (expected, found, what) = match &self.projection {
            Projection::Linear(linear) => (linear.feature(), encoder.projected_width(), "image embeddings"),
            Projection::Resampler(resampler) => (resampler.feature(), encoder.width(), "hidden states"),
            Projection::Full(full) => (full.feature(), encoder.width(), "hidden states"),
        };
        if expected == found {
            return Ok(());
        }
        Err(self.mismatch(format!(
            "it reads {what} of width {expected}, but the image encoder makes {found}. Use the image encoder it was \
             trained with: ViT-H/14 for most published adapters, ViT-bigG/14 for ip-adapter_sdxl and those named vit-G"
        )))
    }

    fn mismatch(&self, reason: String) -> Error {
        Error::AdapterMismatch { path: self.path.clone(), reason }
    }
}

impl Projection {
    /// Tells the kinds apart by the names of their tensors. The order of the tests matters.
    fn load(weights: &Weights) -> Result<Self> {
        let part = weights.pp("image_proj");
        let names = part.names();
        if names.is_empty() || weights.pp("ip_adapter").names().is_empty() {
            let missing = if names.is_empty() { "image_proj" } else { "ip_adapter" };
            return Err(not_an_adapter(weights, format!("it has no tensors {missing}.…")));
        }
        if part.contains("proj.weight") {
            refuse_unknown(&part, linear::knows)?;
            Ok(Self::Linear(LinearProjection::load(&part)?))
        } else if part.contains("proj.3.weight") {
            refuse_unknown(&part, full::knows)?;
            Ok(Self::Full(FullProjection::load(&part)?))
        } else if part.contains("norm.weight") || names.iter().any(|name| name.starts_with("perceiver_resampler.")) {
            Err(Error::FaceId { path: weights.path() })
        } else if part.contains("latents") {
            refuse_unknown(&part, resampler::knows)?;
            Ok(Self::Resampler(Resampler::load(&part)?))
        } else {
            let reason = format!("its image_proj tensors ({}, …) make no known projection", names[0]);
            Err(not_an_adapter(weights, reason))
        }
    }

    /// The width C of its tokens.
    pub fn context_size(&self) -> usize {
        match self {
            Self::Linear(linear) => linear.context(),
            Self::Resampler(resampler) => resampler.context(),
            Self::Full(full) => full.context(),
        }
    }

    /// The kind's name: `linear`, `plus` or `full`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Resampler(_) => "plus",
            Self::Full(_) => "full",
        }
    }

    /// `image_embeds` [batch, E], or hidden states [batch, N, E] → [batch, T, C].
    fn forward(&self, features: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear(linear) => linear.forward(features),
            Self::Resampler(resampler) => resampler.forward(features),
            Self::Full(full) => full.forward(features),
        }
    }
}

/// Loads every `ip_adapter.N.to_k_ip.weight` with its `to_v_ip`, all with `context` columns.
fn load_layers(weights: &Weights, context: usize) -> Result<BTreeMap<usize, (Tensor, Tensor)>> {
    let part = weights.pp("ip_adapter");
    let mut layers = BTreeMap::new();
    for name in part.names() {
        let (number, tensor) = name.split_once('.').unwrap_or((&name, ""));
        if tensor.starts_with("to_") && tensor.contains("_lora.") {
            return Err(Error::FaceId { path: weights.path() });
        }
        let known = matches!(tensor, "to_k_ip.weight" | "to_v_ip.weight");
        let Some(number) = layout::number(number).filter(|_| known) else {
            return Err(not_an_adapter(weights, format!("no adapter has a tensor ip_adapter.{name}")));
        };
        if layers.contains_key(&number) {
            continue;
        }
        let layer = part.pp(number);
        let (hidden, _) = shape2(&layer, "to_k_ip.weight")?;
        let shape = (hidden, context);
        layers.insert(number, (layer.get(shape, "to_k_ip.weight")?, layer.get(shape, "to_v_ip.weight")?));
    }
    Ok(layers)
}

/// A cross-attention width with the family that has it, for messages.
fn with_family(width: usize) -> String {
    match width {
        768 => "768 (SD 1.x)".to_owned(),
        1024 => "1024 (SD 2.x)".to_owned(),
        2048 => "2048 (SDXL)".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
