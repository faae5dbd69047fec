//! Makes layers from [`Weights`], by the tensors' usual names below a layer.

use candle_nn::Embedding;

use super::Result;
use super::checkpoint::Weights;
use super::ops::{Conv2d, GatedLinear, GroupNorm, LayerNorm, Linear};

/// A linear layer: `weight` [out, in] and `bias` [out].
pub fn linear(weights: &Weights, inputs: usize, outputs: usize) -> Result<Linear> {
    match (weights.numbers((outputs, inputs), "weight")?, weights.numbers(outputs, "bias")?) {
        (Some(weight), bias @ Some(_)) => Ok(Linear::from_vec(weight, outputs, bias)),
        _ => Linear::new(weights.get((outputs, inputs), "weight")?, Some(weights.get(outputs, "bias")?)),
    }
}

/// A linear layer followed by GEGLU: `weight` [2·out, in] and `bias` [2·out].
pub fn gated_linear(weights: &Weights, inputs: usize, outputs: usize) -> Result<GatedLinear> {
    match (weights.numbers((2 * outputs, inputs), "weight")?, weights.numbers(2 * outputs, "bias")?) {
        (Some(weight), Some(bias)) => Ok(GatedLinear::from_vec(weight, outputs, bias)),
        _ => GatedLinear::new(weights.get((2 * outputs, inputs), "weight")?, weights.get(2 * outputs, "bias")?),
    }
}

/// A linear layer without bias: `weight` [out, in].
pub fn linear_no_bias(weights: &Weights, inputs: usize, outputs: usize) -> Result<Linear> {
    match weights.numbers((outputs, inputs), "weight")? {
        Some(weight) => Ok(Linear::from_vec(weight, outputs, None)),
        None => Linear::new(weights.get((outputs, inputs), "weight")?, None),
    }
}

/// A layer norm: `weight` and `bias` [size].
pub fn layer_norm(weights: &Weights, size: usize, eps: f64) -> Result<LayerNorm> {
    LayerNorm::new(weights.get(size, "weight")?, weights.get(size, "bias")?, eps)
}

/// A group norm: `weight` and `bias` [channels].
pub fn group_norm(weights: &Weights, groups: usize, channels: usize, eps: f64) -> Result<GroupNorm> {
    GroupNorm::new(weights.get(channels, "weight")?, weights.get(channels, "bias")?, groups, eps)
}

/// An embedding table: `weight` [count, size].
pub fn embedding(weights: &Weights, count: usize, size: usize) -> Result<Embedding> {
    Ok(Embedding::new(weights.get((count, size), "weight")?, size))
}

/// A square convolution: `weight` [out, in, kernel, kernel] and `bias` [out].
pub fn conv2d(
    weights: &Weights,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<Conv2d> {
    let shape = (outputs, inputs, kernel, kernel);
    match (weights.numbers(shape, "weight")?, weights.numbers(outputs, "bias")?) {
        (Some(weight), Some(bias)) => Ok(Conv2d::from_vec(weight, [outputs, inputs, kernel], bias, stride, padding)),
        _ => Conv2d::new(weights.get(shape, "weight")?, Some(weights.get(outputs, "bias")?), stride, padding),
    }
}
