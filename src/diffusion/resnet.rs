//! The residual block that UNet and VAE share, and the resampling between levels
//! (diffusers, `models/resnet.py`, `models/downsampling.py`, `models/upsampling.py`).

use candle_core::{Result as TensorResult, Tensor};

use super::Result;
use super::checkpoint::Weights;
use super::layers;
use super::ops::{Conv2d, GroupNorm, Linear};

/// norm → SiLU → conv → (+ time) → norm → SiLU → conv, beside a shortcut.
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
    output_scale: f64,
}

/// The hyperparameters of a residual block besides its channels.
#[derive(Clone, Copy, Debug)]
pub struct ResnetShape {
    pub groups: usize,
    pub eps: f64,
    /// The width of the time embedding; `None` in the VAE.
    pub time: Option<usize>,
    /// Divides the sum of shortcut and residual; 1 in most checkpoints.
    pub output_scale: f64,
}

impl ResnetBlock {
    pub fn load(weights: &Weights, inputs: usize, outputs: usize, shape: ResnetShape) -> Result<Self> {
        Ok(Self {
            norm1: layers::group_norm(&weights.pp("norm1"), shape.groups, inputs, shape.eps)?,
            conv1: layers::conv2d(&weights.pp("conv1"), inputs, outputs, 3, 1, 1)?,
            time: shape.time.map(|width| layers::linear(&weights.pp("time_emb_proj"), width, outputs)).transpose()?,
            norm2: layers::group_norm(&weights.pp("norm2"), shape.groups, outputs, shape.eps)?,
            conv2: layers::conv2d(&weights.pp("conv2"), outputs, outputs, 3, 1, 1)?,
            shortcut: if inputs == outputs {
                None
            } else {
                Some(layers::conv2d(&weights.pp("conv_shortcut"), inputs, outputs, 1, 1, 0)?)
            },
            output_scale: shape.output_scale,
        })
    }

    /// x [batch, inputs, h, w] → [batch, outputs, h, w]. `time` is silu(embedding) [1, width] for all rows.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> TensorResult<Tensor> {
        let h = self.norm1.forward_silu(x)?;
        let h = match (&self.time, time) {
            (Some(project), Some(time)) => self.conv1.forward_shifted(&h, &project.forward(time)?)?,
            _ => self.conv1.forward(&h)?,
        };
        let h = self.norm2.forward_silu(&h)?;
        let sum = match &self.shortcut {
            Some(conv) => self.conv2.forward_onto(&h, &conv.forward(x)?)?,
            None => self.conv2.forward_onto(&h, x)?,
        };
        if self.output_scale == 1.0 { Ok(sum) } else { sum / self.output_scale }
    }
}

/// A 3×3 convolution of stride 2.
pub struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    pub fn load(weights: &Weights, channels: usize) -> Result<Self> {
        Ok(Self { conv: layers::conv2d(&weights.pp("conv"), channels, channels, 3, 2, 1)? })
    }

    /// [batch, channels, h, w] → [batch, channels, ⌈h/2⌉, ⌈w/2⌉].
    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        self.conv.forward(x)
    }
}

/// Nearest-neighbour upsampling to a given size, then a 3×3 convolution.
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub fn load(weights: &Weights, channels: usize) -> Result<Self> {
        Ok(Self { conv: layers::conv2d(&weights.pp("conv"), channels, channels, 3, 1, 1)? })
    }

    /// [batch, channels, h, w] → [batch, channels, height, width].
    pub fn forward(&self, x: &Tensor, height: usize, width: usize) -> TensorResult<Tensor> {
        self.conv.forward(&x.upsample_nearest2d(height, width)?)
    }
}
