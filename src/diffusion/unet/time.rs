//! The embedding of the diffusion time (diffusers, `models/embeddings.py`: `get_timestep_embedding`,
//! `TimestepEmbedding`).

use candle_core::{DType, Device, Tensor};

use crate::diffusion::checkpoint::{UNetConfig, Weights};
use crate::diffusion::ops::{Activation, Linear, silu};
use crate::diffusion::{Result, layers};

/// Sinusoids, then two linear layers.
pub struct TimeEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    width: usize,
    cosine_first: bool,
    shift: f64,
    activation: Activation,
}

impl TimeEmbedding {
    pub fn load(weights: &Weights, config: &UNetConfig) -> Result<Self> {
        let width = config.block_out_channels[0];
        Ok(Self {
            linear_1: layers::linear(&weights.pp("linear_1"), width, 4 * width)?,
            linear_2: layers::linear(&weights.pp("linear_2"), 4 * width, 4 * width)?,
            width,
            cosine_first: config.flip_sin_to_cos,
            shift: config.freq_shift,
            activation: config.act_fn,
        })
    }

    /// silu(embedding), [1, 4·width]. Every residual block applies this SiLU first, so it is applied once here.
    pub fn forward(&self, timestep: f64, dtype: DType, device: &Device) -> Result<Tensor> {
        // In float32 for weights of any type: at t = 981 a bfloat16 sinusoid is noise.
        let sinusoids = self.sinusoids(timestep as f32);
        let x = Tensor::from_vec(sinusoids, (1, self.width), device)?.to_dtype(dtype)?;
        let x = self.activation.forward(&self.linear_1.forward(&x)?)?;
        Ok(silu(&self.linear_2.forward(&x)?)?)
    }

    /// sin and cos of t · 10000^(−i / (half − shift)) for i = 0 … half − 1; an odd width ends in a zero.
    fn sinusoids(&self, timestep: f32) -> Vec<f32> {
        let half = self.width / 2;
        let rate = -(10_000f64.ln()) as f32;
        let angles = (0..half).map(|i| timestep * (rate * i as f32 / (half as f64 - self.shift) as f32).exp());
        let angles: Vec<f32> = angles.collect();
        let sines = angles.iter().map(|angle| angle.sin());
        let cosines = angles.iter().map(|angle| angle.cos());
        let mut values: Vec<f32> =
            if self.cosine_first { cosines.chain(sines).collect() } else { sines.chain(cosines).collect() };
        values.resize(self.width, 0.0);
        values
    }
}
