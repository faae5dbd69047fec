//! The "plus" adapters: learned queries attend to the encoder's hidden states and become the tokens
//! (tencent-ailab/IP-Adapter, `ip_adapter/resampler.py`; after the Perceiver Resampler of Flamingo, arXiv 2204.14198).

use candle_core::Tensor;

use super::layout::{EPS, not_an_adapter, number, numbered, shape2, shape3};
use crate::diffusion::checkpoint::{View, Weights};
use crate::diffusion::ops::{self, Activation, LayerNorm, Linear};
use crate::diffusion::{Result, layers};

/// The width of a head in every published resampler, from which the number of heads follows.
const HEAD: usize = 64;

/// x = proj_in(h); latents attend to x, layer by layer; tokens = norm_out(proj_out(latents)).
pub struct Resampler {
    latents: Tensor,
    proj_in: Linear,
    layers: Vec<Layer>,
    proj_out: Linear,
    norm_out: LayerNorm,
    context: usize,
    feature: usize,
}

struct Layer {
    norm_picture: LayerNorm,
    norm_latents: LayerNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    norm_feed: LayerNorm,
    feed1: Linear,
    feed2: Linear,
}

/// Whether a tensor below `image_proj` belongs to this kind of adapter. The position embeddings and pooled latents that
/// `resampler.py` can also make are in no published adapter, and are refused.
pub(super) fn knows(name: &str) -> bool {
    let in_layer = name.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
    match in_layer {
        Some((layer, tensor)) => {
            let norm = tensor.strip_suffix(".weight").or(tensor.strip_suffix(".bias"));
            number(layer).is_some()
                && (matches!(norm, Some("0.norm1" | "0.norm2" | "1.0"))
                    || matches!(
                        tensor,
                        "0.to_q.weight" | "0.to_kv.weight" | "0.to_out.weight" | "1.1.weight" | "1.3.weight"
                    ))
        }
        None => {
            let with_bias = name.strip_suffix(".weight").or(name.strip_suffix(".bias"));
            name == "latents" || matches!(with_bias, Some("proj_in" | "proj_out" | "norm_out"))
        }
    }
}

impl Resampler {
    pub(super) fn load(weights: &Weights) -> Result<Self> {
        let (batch, tokens, width) = shape3(weights, "latents")?;
        if batch != 1 {
            return Err(not_an_adapter(weights, format!("image_proj.latents holds {batch} sets of queries, not 1")));
        }
        let (_, feature) = shape2(weights, "proj_in.weight")?;
        let (context, _) = shape2(weights, "proj_out.weight")?;
        let depth = numbered(weights, "layers")?;
        Ok(Self {
            latents: weights.get((1, tokens, width), "latents")?,
            proj_in: layers::linear(&weights.pp("proj_in"), feature, width)?,
            layers: (0..depth).map(|i| Layer::load(&weights.pp("layers").pp(i), width)).collect::<Result<_>>()?,
            proj_out: layers::linear(&weights.pp("proj_out"), width, context)?,
            norm_out: layers::layer_norm(&weights.pp("norm_out"), context, EPS)?,
            context,
            feature,
        })
    }

    /// hidden states [batch, N, E] → [batch, T, C].
    pub(super) fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        let batch = hidden.dim(0)?;
        let (_, tokens, width) = self.latents.dims3()?;
        let x = self.proj_in.forward(hidden)?; // [batch, N, D]
        let start = self.latents.broadcast_as((batch, tokens, width))?.contiguous()?;
        let latents = self.layers.iter().try_fold(start, |latents, layer| layer.forward(&x, &latents))?;
        Ok(self.norm_out.forward(&self.proj_out.forward(&latents)?)?)
    }

    /// The width E of the hidden states that it reads.
    pub(super) fn feature(&self) -> usize {
        self.feature
    }

    /// The width C of its tokens.
    pub(super) fn context(&self) -> usize {
        self.context
    }
}

impl Layer {
    fn load(weights: &Weights, width: usize) -> Result<Self> {
        let (attention, feed) = (weights.pp("0"), weights.pp("1"));
        let (inner, _) = shape2(&attention, "to_q.weight")?;
        if inner % HEAD != 0 {
            let reason = format!("a resampler's to_q has {inner} rows, not a multiple of a head's {HEAD}");
            return Err(not_an_adapter(weights, reason));
        }
        let (feed_inner, _) = shape2(&feed, "1.weight")?;
        // The rows of the keys come first. 2·inner cannot overflow, because the file holds `inner` rows.
        attention.require_shape((2 * inner, width), "to_kv.weight")?;
        let rows = |rows| View::of("to_kv.weight").rows(rows);
        let halves = [("to_k.weight", rows(0..inner)), ("to_v.weight", rows(inner..2 * inner))];
        let attention = attention.with_views(halves)?;
        Ok(Self {
            norm_picture: layers::layer_norm(&attention.pp("norm1"), width, EPS)?,
            norm_latents: layers::layer_norm(&attention.pp("norm2"), width, EPS)?,
            to_q: layers::linear_no_bias(&attention.pp("to_q"), width, inner)?,
            to_k: layers::linear_no_bias(&attention.pp("to_k"), width, inner)?,
            to_v: layers::linear_no_bias(&attention.pp("to_v"), width, inner)?,
            to_out: layers::linear_no_bias(&attention.pp("to_out"), inner, width)?,
            heads: inner / HEAD,
            norm_feed: layers::layer_norm(&feed.pp("0"), width, EPS)?,
            feed1: layers::linear_no_bias(&feed.pp("1"), width, feed_inner)?,
            feed2: layers::linear_no_bias(&feed.pp("3"), feed_inner, width)?,
        })
    }

    /// x [batch, N, D], latents [batch, T, D] → latents.
    fn forward(&self, x: &Tensor, latents: &Tensor) -> Result<Tensor> {
        let normed = self.norm_latents.forward(latents)?;
        let seen = Tensor::cat(&[&self.norm_picture.forward(x)?, &normed], 1)?; // [batch, N + T, D]
        let (q, k, v) = (self.to_q.forward(&normed)?, self.to_k.forward(&seen)?, self.to_v.forward(&seen)?);
        let attended = ops::attention(&q, &k, &v, self.heads, false)?; // [batch, T, heads·64]
        let latents = (latents + self.to_out.forward(&attended)?)?;
        let inner = Activation::Gelu.forward(&self.feed1.forward(&self.norm_feed.forward(&latents)?)?)?;
        Ok((&latents + self.feed2.forward(&inner)?)?)
    }
}
