//! CLIP's image tower with its projection: turns a reference into features
//! (transformers, `models/clip/modeling_clip.py`, `CLIPVisionModelWithProjection`).

use candle_core::{DType, Tensor};

use super::checkpoint::{ProjectedImageEncoderConfig, Weights};
use super::clip::{Encoder, Tower};
use super::layers;
use super::ops::{Conv2d, LayerNorm, Linear};
use super::{Error, Result};

/// An image encoder.
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
            weights.bad_config(format!(
                "image_size {size}, patch_size {patch} and projection_dim {projection} make no image encoder"
            ))
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
            // Published checkpoints spell it this way.
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

    /// pixel_values [batch, 3, S, S] → `hidden_states[-2]` [batch, 1 + patches, width], the input of the last layer.
    pub fn penultimate(&self, pixel_values: &Tensor) -> Result<Tensor> {
        self.encoder.before_last(&self.embed(pixel_values)?)
    }

    /// The side S in pixels of the pictures that it reads.
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

    /// pixel_values [batch, 3, S, S] → [batch, 1 + patches, width]: the class token, then the patches, row by row.
    fn embed(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = pixel_values.dims4()?;
        let size = self.config.image_size;
        if (channels, height, width) != (self.config.num_channels, size, size) {
            return Err(self.wrong_size(channels, height, width));
        }
        let pixels = pixel_values.to_dtype(self.class.dtype())?;
        let patches = self.patches.forward(&pixels)?.flatten_from(2)?.transpose(1, 2)?; // [batch, patches, width]
        let class = self.class.expand((batch, 1, self.config.hidden_size))?;
        let x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.positions)?;
        Ok(self.pre_norm.forward(&x)?)
    }

    fn wrong_size(&self, channels: usize, height: usize, width: usize) -> Error {
        Error::BadConfig {
            path: self.weights.path().with_file_name("preprocessor_config.json"),
            reason: format!(
                "it makes {width}×{height} pixels of {channels} channels, but the image encoder reads {size}×{size} of {}",
                self.config.num_channels,
                size = self.config.image_size
            ),
        }
    }

    /// The type that it computes in.
    pub fn dtype(&self) -> DType {
        self.class.dtype()
    }
}

/// The number of positions: the class token and each patch. `None` if the sizes make no patch.
fn positions(config: &ProjectedImageEncoderConfig) -> Option<usize> {
    let side = config.image_size.checked_div(config.patch_size).filter(|side| *side > 0)?;
    side.checked_mul(side)?.checked_add(1)
}
