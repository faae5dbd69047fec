//! The transformer after a residual block, with IP-Adapter's decoupled cross-attention
//! (Ye et al. 2023, "IP-Adapter"; diffusers, `models/attention.py`, `models/transformers/transformer_2d.py`).

use candle_core::Tensor;

use super::conditioning::{KeysAndValues, SiteConditioning, StepConditioning};
use super::plan::TransformerShape;
use super::probe::{Branches, ImageBranch};
use super::sites::{Site, SiteIndex, Sites};
use crate::diffusion::checkpoint::Weights;
use crate::diffusion::ops::{Conv2d, GatedLinear, GroupNorm, LayerNorm, Linear, add_scaled, attention};
use crate::diffusion::{Result, layers};

/// A stack of transformer layers over the pixels of a feature map, beside a shortcut.
pub struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Projection,
    layers: Vec<Layer>,
    proj_out: Projection,
}

/// A 1×1 convolution over the feature map, or a linear layer over its pixels: the same function in two layouts.
enum Projection {
    Convolution(Conv2d),
    Linear(Linear),
}

/// Self-attention, cross-attention and feed-forward, each after a norm and beside a shortcut.
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

/// Queries from the feature map; keys and values from the text and, beside it, from the reference:
/// to_out(attend(q, text) + scale · attend(q, image)).
struct CrossAttention {
    to_q: Linear,
    to_out: Linear,
    heads: usize,
    site: SiteIndex,
    name: String,
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
    pub fn forward(&self, x: &Tensor, step: &StepConditioning<'_>) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let mut h = self.proj_in.tokens_from(&self.norm.forward(x)?)?; // [batch, h·w, channels]
        for layer in &self.layers {
            h = layer.forward(&h, step)?;
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
    fn tokens_from(&self, x: &Tensor) -> Result<Tensor> {
        let tokens = |x: &Tensor| x.flatten_from(2)?.transpose(1, 2)?.contiguous();
        Ok(match self {
            Self::Convolution(conv) => tokens(&conv.forward(x)?)?,
            Self::Linear(linear) => linear.forward(&tokens(x)?)?,
        })
    }

    /// [batch, h·w, channels] → [batch, channels, h, w], plus `onto`.
    fn map_onto(&self, x: &Tensor, height: usize, width: usize, onto: &Tensor) -> Result<Tensor> {
        let map = |x: &Tensor| {
            let (batch, _, channels) = x.dims3()?;
            x.transpose(1, 2)?.contiguous()?.reshape((batch, channels, height, width))
        };
        Ok(match self {
            Self::Convolution(conv) => conv.forward_onto(&map(x)?, onto)?,
            Self::Linear(linear) => add_scaled(onto, &map(&linear.forward(x)?)?, 1.0)?,
        })
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
    fn forward(&self, x: &Tensor, step: &StepConditioning<'_>) -> Result<Tensor> {
        let x = self.attn1.forward_onto(&self.norm1.forward(x)?, x)?;
        let x = self.attn2.forward_onto(&self.norm2.forward(&x)?, step, &x)?;
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

    /// The self-attention of x, plus `onto`.
    fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> Result<Tensor> {
        let (q, k, v) = (self.to_q.forward(x)?, self.to_k.forward(x)?, self.to_v.forward(x)?);
        Ok(self.to_out.forward_onto(&attention(&q, &k, &v, self.heads, false)?, onto)?)
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
            name: name.to_owned(),
        })
    }

    /// The cross-attention of x to text and image, plus `onto`.
    fn forward_onto(&self, x: &Tensor, step: &StepConditioning<'_>, onto: &Tensor) -> Result<Tensor> {
        Ok(self.to_out.forward_onto(&self.attend(x, step)?, onto)?)
    }

    /// attend(q, text) + scale · attend(q, image), [batch, tokens, channels].
    fn attend(&self, x: &Tensor, step: &StepConditioning<'_>) -> Result<Tensor> {
        let queries = self.to_q.forward(x)?;
        let SiteConditioning { text, image, tap } = step.at(self.site);
        let to = |seen: &KeysAndValues| attention(&queries, &seen.keys, &seen.values, self.heads, false);
        let text_output = to(text)?;
        let (image_output, sum) = match image {
            Some((image, scale)) => {
                let output = to(image)?;
                let sum = add_scaled(&text_output, &output, scale)?;
                (Some(output), sum)
            }
            None => (None, text_output.clone()),
        };
        if let Some(tap) = tap {
            let image = image.zip(image_output.as_ref());
            tap.probe.cross_attention(&Branches {
                site: &self.name,
                step: tap.step,
                heads: self.heads,
                queries: &queries,
                text: text.branch(&text_output),
                image: image.map(|((image, scale), output)| ImageBranch { branch: image.branch(output), scale }),
                sum: &sum,
            })?;
        }
        Ok(sum)
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
    fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> Result<Tensor> {
        Ok(self.out.forward_onto(&self.proj.forward(x)?, onto)?)
    }
}

#[cfg(test)]
mod tests;
