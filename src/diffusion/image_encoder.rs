//! CLIP's image tower with its projection: a reference becomes features
//! (transformers, `models/clip/modeling_clip.py`, `CLIPVisionModelWithProjection`).

use candle_core::{DType, Tensor};

use super::checkpoint::{ProjectedImageEncoderConfig, Weights};
use super::clip::{Encoder, Tower, bad_config};
use super::layers;
use super::ops::{Conv2d, LayerNorm, Linear};
use super::{Error, Result};

/// An image encoder folder's model.
pub struct ImageEncoder {
    class: Tensor,
    patches: Conv2d,
    positions: Tensor,
    pre_norm: LayerNorm,
    encoder: Encoder,
    post_norm: LayerNorm,
    projection: Linear,
    config: ProjectedImageEncoderConfig,
    weights: Weights,
}

impl ImageEncoder {
    /// Loads `vision_model.…` and `visual_projection`.
    pub fn load(weights: &Weights, config: &ProjectedImageEncoderConfig) -> Result<Self> {
        let model = weights.pp("vision_model");
        let (width, patch) = (config.hidden_size, config.patch_size);
        let positions = positions(config).filter(|_| config.projection_dim > 0).ok_or_else(|| {
            let (size, projection) = (config.image_size, config.projection_dim);
            let reason =
                format!("no encoder has image_size {size}, patch_size {patch} and projection_dim {projection}");
            bad_config(weights, reason)
        })?;
        let tower = Tower {
            width,
            inner: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            eps: config.layer_norm_eps,
            causal: false,
        };
        let embeddings = model.pp("embeddings");
        let kernel = embeddings.get((width, config.num_channels, patch, patch), "patch_embedding.weight")?;
        Ok(Self {
            encoder: Encoder::load(&model, tower)?,
            class: embeddings.get(width, "class_embedding")?,
            patches: Conv2d::new(kernel, None, patch, 0)?,
            positions: embeddings.get((positions, width), "position_embedding.weight")?,
            // So it is spelt in every published checkpoint.
            pre_norm: layers::layer_norm(&model.pp("pre_layrnorm"), width, config.layer_norm_eps)?,
            post_norm: layers::layer_norm(&model.pp("post_layernorm"), width, config.layer_norm_eps)?,
            projection: layers::linear_no_bias(&weights.pp("visual_projection"), width, config.projection_dim)?,
            config: config.clone(),
            weights: weights.clone(),
        })
    }

    /// pixel_values [batch, 3, S, S] → `image_embeds` [batch, E], not normalised.
    pub fn image_embeds(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let x = self.encoder.forward(&self.embed(pixel_values)?)?;
        let class = x.narrow(1, 0, 1)?.squeeze(1)?; // [batch, width]
        Ok(self.projection.forward(&self.post_norm.forward(&class)?)?)
    }

    /// pixel_values [batch, 3, S, S] → `hidden_states[-2]` [batch, 1 + patches, width]: what the last layer sees.
    pub fn penultimate(&self, pixel_values: &Tensor) -> Result<Tensor> {
        self.encoder.before_last(&self.embed(pixel_values)?)
    }

    /// The side S of the pictures it reads, in pixels.
    pub fn image_size(&self) -> usize {
        self.config.image_size
    }

    /// The width of its hidden states.
    pub fn width(&self) -> usize {
        self.config.hidden_size
    }

    /// The width E of its `image_embeds`.
    pub fn projected_width(&self) -> usize {
        self.config.projection_dim
    }

    /// pixel_values [batch, 3, S, S] → [batch, 1 + patches, width]: the class token, then the patches row by row.
    fn embed(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = pixel_values.dims4()?;
        let size = self.config.image_size;
        if (channels, height, width) != (self.config.num_channels, size, size) {
            return Err(self.wrong_picture(channels, height, width));
        }
        let pixels = pixel_values.to_dtype(self.class.dtype())?;
        let patches = self.patches.forward(&pixels)?.flatten_from(2)?.transpose(1, 2)?; // [batch, patches, width]
        let class = self.class.expand((batch, 1, self.config.hidden_size))?;
        let x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.positions)?;
        Ok(self.pre_norm.forward(&x)?)
    }

    fn wrong_picture(&self, channels: usize, height: usize, width: usize) -> Error {
        let folder = self.weights.path();
        Error::BadConfig {
            path: folder.with_file_name("preprocessor_config.json"),
            reason: format!(
                "it makes pictures of {width}×{height} with {channels} channels, but the image encoder reads {size}×{size} \
                 with {}",
                self.config.num_channels,
                size = self.config.image_size
            ),
        }
    }

    /// The type it computes in.
    pub fn dtype(&self) -> DType {
        self.class.dtype()
    }
}

/// The class token and one position for each patch; `None` when the sizes make none.
fn positions(config: &ProjectedImageEncoderConfig) -> Option<usize> {
    let side = config.image_size.checked_div(config.patch_size).filter(|side| *side > 0)?;
    side.checked_mul(side)?.checked_add(1)
}
