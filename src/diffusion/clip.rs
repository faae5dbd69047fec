//! The transformer that CLIP's text and image towers share (transformers, `models/clip/modeling_clip.py`).

use candle_core::Tensor;

use super::Result;
use super::checkpoint::Weights;
use super::layers;
use super::ops::{self, Activation, LayerNorm, Linear};

/// The hyperparameters of a tower.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tower {
    pub width: usize,
    /// The width of the hidden layer in each MLP.
    pub inner: usize,
    pub layers: usize,
    pub heads: usize,
    pub activation: Activation,
    pub eps: f64,
    /// Whether each token attends only to itself and to earlier tokens.
    pub causal: bool,
}

/// A stack of layers, each read from `encoder.layers.N`.
pub(super) struct Encoder {
    layers: Vec<Layer>,
}

/// x + attention(norm(x)), then x + mlp(norm(x)).
struct Layer {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
}

struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    heads: usize,
    causal: bool,
}

impl Encoder {
    pub fn load(weights: &Weights, tower: Tower) -> Result<Self> {
        tower.check(weights)?;
        let layers = weights.pp("encoder.layers");
        Ok(Self { layers: (0..tower.layers).map(|i| Layer::load(&layers.pp(i), tower)).collect::<Result<_>>()? })
    }

    /// x [batch, tokens, width] → the same shape, through every layer.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        through(&self.layers, x)
    }

    /// The input of the last layer: `hidden_states[-2]` in transformers.
    pub fn before_last(&self, x: &Tensor) -> Result<Tensor> {
        // `Tower::check` guarantees at least one layer.
        through(&self.layers[..self.layers.len() - 1], x)
    }
}

fn through(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    layers.iter().try_fold(x.clone(), |x, layer| layer.forward(&x))
}

impl Layer {
    fn load(weights: &Weights, tower: Tower) -> Result<Self> {
        let Tower { width, inner, .. } = tower;
        let attention = weights.pp("self_attn");
        let projection = |name: &str| layers::linear(&attention.pp(name), width, width);
        Ok(Self {
            norm1: layers::layer_norm(&weights.pp("layer_norm1"), width, tower.eps)?,
            attention: Attention {
                q: projection("q_proj")?,
                k: projection("k_proj")?,
                v: projection("v_proj")?,
                out: projection("out_proj")?,
                heads: tower.heads,
                causal: tower.causal,
            },
            norm2: layers::layer_norm(&weights.pp("layer_norm2"), width, tower.eps)?,
            fc1: layers::linear(&weights.pp("mlp.fc1"), width, inner)?,
            fc2: layers::linear(&weights.pp("mlp.fc2"), inner, width)?,
            activation: tower.activation,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.attention.forward_onto(&self.norm1.forward(x)?, x)?;
        let h = self.activation.forward(&self.fc1.forward(&self.norm2.forward(&x)?)?)?; // [batch, tokens, inner]
        Ok(self.fc2.forward_onto(&h, &x)?)
    }
}

impl Attention {
    /// The self-attention of x, plus `onto`.
    fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> Result<Tensor> {
        let (q, k, v) = (self.q.forward(x)?, self.k.forward(x)?, self.v.forward(x)?);
        let attended = ops::attention(&q, &k, &v, self.heads, self.causal)?; // [batch, tokens, width]
        Ok(self.out.forward_onto(&attended, onto)?)
    }
}

impl Tower {
    /// Refuses impossible numbers. Other mistakes show in the shapes of tensors.
    fn check(&self, weights: &Weights) -> Result<()> {
        let reason = if [self.width, self.inner, self.layers, self.heads].contains(&0) {
            "hidden_size, intermediate_size, num_hidden_layers or num_attention_heads is 0".to_owned()
        } else if !self.width.is_multiple_of(self.heads) {
            format!("hidden_size {} is not a multiple of num_attention_heads {}", self.width, self.heads)
        } else {
            return Ok(());
        };
        Err(weights.bad_config(reason))
    }
}
