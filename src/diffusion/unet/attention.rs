//! The transformer between the residual blocks, with IP-Adapter's decoupled cross-attention
//! (Ye et al. 2023, "IP-Adapter"; diffusers, `models/attention.py`, `models/transformers/transformer_2d.py`).

use candle_core::{Result as TensorResult, Tensor};

use super::super::Result;
use super::super::checkpoint::Weights;
use super::super::layers;
use super::super::ops::{Conv2d, GatedLinear, GroupNorm, LayerNorm, Linear, add_scaled, attention};
use super::conditioning::{Seen, SeenAt};
use super::plan::TransformerShape;
use super::sites::{Site, SiteIndex, Sites};

/// A stack of transformer layers over the pixels of a feature map, beside a shortcut.
pub struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Projection,
    layers: Vec<Layer>,
    proj_out: Projection,
}

/// A 1×1 convolution over the map, or a linear layer over its pixels: the same numbers in two layouts.
enum Projection {
    Convolution(Conv2d),
    Linear(Linear),
}

/// Self-attention, cross-attention, feed-forward, each after a norm and beside a shortcut.
struct Layer {
    norm1: LayerNorm,
    attn1: SelfAttention,
    norm2: LayerNorm,
    attn2: CrossAttention,
    norm3: LayerNorm,
    ff: FeedForward,
}

struct SelfAttention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
}

/// Queries from the picture; keys and values from the text and, beside it, from the image:
/// to_out(attend(q, text) + scale · attend(q, image)).
struct CrossAttention {
    to_q: Linear,
    to_out: Linear,
    heads: usize,
    site: SiteIndex,
}

struct FeedForward {
    proj: GatedLinear,
    out: Linear,
}

impl SpatialTransformer {
    pub fn load(weights: &Weights, name: &str, shape: TransformerShape, sites: &mut Sites) -> Result<Self> {
        let here = weights.pp(name);
        let TransformerShape { channels, groups, layers, linear_projection, .. } = shape;
        let layer = |i: usize| Layer::load(weights, &format!("{name}.transformer_blocks.{i}"), shape, &mut *sites);
        Ok(Self {
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            norm: layers::group_norm(&here.pp("norm"), groups, channels, 1e-6)?,
            proj_in: Projection::load(&here.pp("proj_in"), channels, linear_projection)?,
            proj_out: Projection::load(&here.pp("proj_out"), channels, linear_projection)?,
        })
    }

    /// [batch, channels, h, w] → the same.
    pub fn forward(&self, x: &Tensor, seen: &Seen<'_>) -> TensorResult<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let mut h = self.proj_in.tokens_from(&self.norm.forward(x)?)?; // [batch, h·w, channels]
        for layer in &self.layers {
            h = layer.forward(&h, seen)?;
        }
        self.proj_out.map_onto(&h, height, width, x)
    }
}

impl Projection {
    fn load(weights: &Weights, channels: usize, linear: bool) -> Result<Self> {
        Ok(if linear {
            Self::Linear(layers::linear(weights, channels, channels)?)
        } else {
            Self::Convolution(layers::conv2d(weights, channels, channels, 1, 1, 0)?)
        })
    }

    /// [batch, channels, h, w] → [batch, h·w, channels].
    fn tokens_from(&self, x: &Tensor) -> TensorResult<Tensor> {
        let tokens = |x: &Tensor| x.flatten_from(2)?.transpose(1, 2)?.contiguous();
        match self {
            Self::Convolution(conv) => tokens(&conv.forward(x)?),
            Self::Linear(linear) => linear.forward(&tokens(x)?),
        }
    }

    /// [batch, h·w, channels] → [batch, channels, h, w], plus `onto`.
    fn map_onto(&self, x: &Tensor, height: usize, width: usize, onto: &Tensor) -> TensorResult<Tensor> {
        let map = |x: &Tensor| {
            let (batch, _, channels) = x.dims3()?;
            x.transpose(1, 2)?.contiguous()?.reshape((batch, channels, height, width))
        };
        match self {
            Self::Convolution(conv) => conv.forward_onto(&map(x)?, onto),
            Self::Linear(linear) => add_scaled(onto, &map(&linear.forward(x)?)?, 1.0),
        }
    }
}

impl Layer {
    fn load(weights: &Weights, name: &str, shape: TransformerShape, sites: &mut Sites) -> Result<Self> {
        let here = weights.pp(name);
        let channels = shape.channels;
        Ok(Self {
            norm1: layers::layer_norm(&here.pp("norm1"), channels, 1e-5)?,
            attn1: SelfAttention::load(&here.pp("attn1"), channels, shape.heads)?,
            norm2: layers::layer_norm(&here.pp("norm2"), channels, 1e-5)?,
            attn2: CrossAttention::load(weights, &format!("{name}.attn2"), shape, sites)?,
            norm3: layers::layer_norm(&here.pp("norm3"), channels, 1e-5)?,
            ff: FeedForward::load(&here.pp("ff.net"), channels)?,
        })
    }

    /// [batch, tokens, channels] → the same.
    fn forward(&self, x: &Tensor, seen: &Seen<'_>) -> TensorResult<Tensor> {
        let x = self.attn1.forward_onto(&self.norm1.forward(x)?, x)?;
        let x = self.attn2.forward_onto(&self.norm2.forward(&x)?, seen, &x)?;
        self.ff.forward_onto(&self.norm3.forward(&x)?, &x)
    }
}

impl SelfAttention {
    fn load(weights: &Weights, channels: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            to_q: layers::linear_no_bias(&weights.pp("to_q"), channels, channels)?,
            to_k: layers::linear_no_bias(&weights.pp("to_k"), channels, channels)?,
            to_v: layers::linear_no_bias(&weights.pp("to_v"), channels, channels)?,
            to_out: layers::linear(&weights.pp("to_out.0"), channels, channels)?,
            heads,
        })
    }

    /// What x sees of itself, plus `onto`.
    fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> TensorResult<Tensor> {
        let (q, k, v) = (self.to_q.forward(x)?, self.to_k.forward(x)?, self.to_v.forward(x)?);
        self.to_out.forward_onto(&attention(&q, &k, &v, self.heads, false)?, onto)
    }
}

impl CrossAttention {
    fn load(weights: &Weights, name: &str, shape: TransformerShape, sites: &mut Sites) -> Result<Self> {
        let here = weights.pp(name);
        let TransformerShape { channels, context, heads, .. } = shape;
        let site = Site {
            name: name.to_owned(),
            width: channels,
            context,
            to_k: layers::linear_no_bias(&here.pp("to_k"), context, channels)?,
            to_v: layers::linear_no_bias(&here.pp("to_v"), context, channels)?,
        };
        Ok(Self {
            to_q: layers::linear_no_bias(&here.pp("to_q"), channels, channels)?,
            to_out: layers::linear(&here.pp("to_out.0"), channels, channels)?,
            heads,
            site: sites.add(site),
        })
    }

    /// What x sees of text and image, plus `onto`.
    fn forward_onto(&self, x: &Tensor, seen: &Seen<'_>, onto: &Tensor) -> TensorResult<Tensor> {
        let q = self.to_q.forward(x)?;
        let SeenAt { text: (k, v), image } = seen.at(self.site);
        let mut attended = attention(&q, k, v, self.heads, false)?;
        if let Some((k, v, scale)) = image {
            attended = add_scaled(&attended, &attention(&q, k, v, self.heads, false)?, scale)?;
        }
        self.to_out.forward_onto(&attended, onto)
    }
}

impl FeedForward {
    fn load(weights: &Weights, channels: usize) -> Result<Self> {
        Ok(Self {
            proj: layers::gated_linear(&weights.pp("0.proj"), channels, 4 * channels)?,
            out: layers::linear(&weights.pp("2"), 4 * channels, channels)?,
        })
    }

    /// The feed-forward of x, plus `onto`.
    fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> TensorResult<Tensor> {
        self.out.forward_onto(&self.proj.forward(x)?, onto)
    }
}

#[cfg(test)]
mod tests;
