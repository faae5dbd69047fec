//! CLIP's text tower: turns token ids into the states that the UNet looks at
//! (transformers, `models/clip/modeling_clip.py`, `CLIPTextModel`).

use candle_core::{DType, Tensor};
use candle_nn::{Embedding, Module};

use super::Result;
use super::checkpoint::{TextEncoderConfig, Weights};
use super::clip::{Encoder, Tower};
use super::layers;
use super::ops::LayerNorm;

/// The text encoder of a checkpoint.
pub struct TextEncoder {
    tokens: Embedding,
    positions: Tensor,
    encoder: Encoder,
    final_norm: LayerNorm,
    vocab_size: usize,
    width: usize,
    weights: Weights,
}

impl TextEncoder {
    /// Loads the tensors below `text_model.`, or without that prefix, as transformers 5 writes them.
    pub fn load(weights: &Weights, config: &TextEncoderConfig) -> Result<Self> {
        let prefixed = weights.pp("text_model");
        let model = if prefixed.names().is_empty() { weights.clone() } else { prefixed };
        let width = config.hidden_size;
        let tower = Tower {
            width,
            inner: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            eps: config.layer_norm_eps,
            causal: true,
        };
        let embeddings = model.pp("embeddings");
        Ok(Self {
            encoder: Encoder::load(&model, tower)?,
            tokens: layers::embedding(&embeddings.pp("token_embedding"), config.vocab_size, width)?,
            positions: embeddings.get((config.max_position_embeddings, width), "position_embedding.weight")?,
            final_norm: layers::layer_norm(&model.pp("final_layer_norm"), width, config.layer_norm_eps)?,
            vocab_size: config.vocab_size,
            width,
            weights: weights.clone(),
        })
    }

    /// ids [batch, tokens] of u32, each below [`vocab_size`](Self::vocab_size) → the states after the final norm
    /// [batch, tokens, width].
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (_, length) = ids.dims2()?;
        let positions = self.positions.dim(0)?;
        if length > positions {
            let reason = format!("max_position_embeddings is {positions}, but a prompt has {length} tokens");
            return Err(self.weights.bad_config(reason));
        }
        let ids = ids.to_dtype(DType::U32)?;
        let x = self.tokens.forward(&ids)?.broadcast_add(&self.positions.narrow(0, 0, length)?)?;
        Ok(self.final_norm.forward(&self.encoder.forward(&x)?)?)
    }

    /// The size of its vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The width of its states.
    pub fn width(&self) -> usize {
        self.width
    }
}
