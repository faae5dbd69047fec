//! Two-dimensional convolution.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result as TensorResult, Shape, Tensor};

use super::cpu::conv::{Addends, ConvShape};
use super::cpu::pack::{PackedLeft, to_vec};
use super::cpu::{direct, slice, supports, winograd};
use crate::diffusion::Result;

/// Layers with more pairs of channels (in · out) than this do not use Winograd kernels, which are 16/9 as large as
/// the original weights. These are the deepest layers of a UNet: they hold most of the weights and take little of the
/// time. With Winograd there too, Stable Diffusion 1.5 would need 0.9 GB more and a step would be 5 % shorter.
const MAX_WINOGRAD_PAIRS: usize = 1280 * 640;
/// With fewer channels than this on either side, the transforms cost more than they save.
const MIN_WINOGRAD_CHANNELS: usize = 16;

/// A convolution with a square kernel: [batch, in, h, w] → [batch, out, h', w'].
#[derive(Clone)]
pub struct Conv2d {
    weights: Weights,
    /// Height and width of the kernel.
    kernel: usize,
    stride: usize,
    padding: usize,
}

#[derive(Clone)]
enum Weights {
    /// For candle: the weight [out, in, kernel, kernel] and the bias [1, out, 1, 1].
    Candle(Tensor, Option<Tensor>),
    /// For [`direct`]: the weight [out, in · kernel²] and the bias [out].
    Direct(Arc<PackedLeft>, Arc<[f32]>),
    /// For [`winograd`]: the transformed weight and the bias [out].
    Winograd(Arc<winograd::Weights>, Arc<[f32]>),
}

impl Conv2d {
    /// `weight` [out, in, kernel, kernel], `bias` [out].
    pub fn new(weight: Tensor, bias: Option<Tensor>, stride: usize, padding: usize) -> Result<Self> {
        let (outputs, inputs, kernel, _) = weight.dims4()?;
        if supports(&weight) {
            let bias = bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), to_vec)?;
            return Ok(Self::from_vec(to_vec(&weight)?, [outputs, inputs, kernel], bias, stride, padding));
        }
        let bias = bias.map(|bias| bias.reshape((1, outputs, 1, 1))).transpose()?;
        Ok(Self { weights: Weights::Candle(weight, bias), kernel, stride, padding })
    }

    /// Like [`new`](Self::new), on the CPU in float32. It supports the weights by value and rearranges them in place, so
    /// that they are never in memory twice. `weight` is [out, in, kernel, kernel], `bias` [out].
    pub fn from_vec(
        weight: Vec<f32>,
        [outputs, inputs, kernel]: [usize; 3],
        bias: Vec<f32>,
        stride: usize,
        padding: usize,
    ) -> Self {
        let bias = bias.into();
        let worthwhile = outputs.min(inputs) >= MIN_WINOGRAD_CHANNELS && outputs * inputs <= MAX_WINOGRAD_PAIRS;
        let weights = if (kernel, stride, padding) == (3, 1, 1) && worthwhile {
            Weights::Winograd(Arc::new(winograd::Weights::new(&weight, outputs, inputs)), bias)
        } else {
            Weights::Direct(Arc::new(PackedLeft::new(weight, outputs)), bias)
        };
        Self { weights, kernel, stride, padding }
    }

    /// x [batch, in, h, w] → [batch, out, h', w'].
    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.weights {
            Weights::Candle(weight, bias) => {
                let y = x.conv2d(weight, self.padding, self.stride, 1, 1)?;
                match bias {
                    Some(bias) => y.broadcast_add(bias),
                    None => Ok(y),
                }
            }
            _ => x.contiguous()?.apply_op1_no_bwd(&Run { conv: self, shift: None }),
        }
    }

    /// The convolution of `x` plus `onto`, a tensor of the result's shape (a residual connection).
    pub fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> TensorResult<Tensor> {
        match &self.weights {
            Weights::Candle(..) => self.forward(x)? + onto,
            _ => x.contiguous()?.apply_op2_no_bwd(&onto.contiguous()?, &Run { conv: self, shift: None }),
        }
    }

    /// The convolution of `x` plus `shift` [1, out], one value per output channel.
    pub fn forward_shifted(&self, x: &Tensor, shift: &Tensor) -> TensorResult<Tensor> {
        match &self.weights {
            Weights::Candle(..) => self.forward(x)?.broadcast_add(&shift.unsqueeze(2)?.unsqueeze(3)?),
            _ => {
                let shift = Some(shift.squeeze(0)?.to_vec1::<f32>()?);
                x.contiguous()?.apply_op1_no_bwd(&Run { conv: self, shift })
            }
        }
    }
}

impl std::fmt::Debug for Conv2d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, stride, padding, .. } = self;
        write!(f, "Conv2d {{ kernel: {kernel}, stride: {stride}, padding: {padding} }}")
    }
}

/// One call of a convolution on our own kernels.
struct Run<'a> {
    conv: &'a Conv2d,
    /// Added to the bias.
    shift: Option<Vec<f32>>,
}

impl Run<'_> {
    fn run(&self, x: &[f32], shape: &Shape, onto: Option<(&[f32], &Shape)>) -> TensorResult<(CpuStorage, Shape)> {
        let (batch, inputs, height, width) = shape.dims4()?;
        let Conv2d { kernel, stride, padding, .. } = *self.conv;
        let conv_shape = ConvShape { batch, inputs, height, width, kernel, stride, padding };
        let Some((out_height, out_width)) = conv_shape.output_size() else {
            candle_core::bail!(
                "the convolution's kernel of {kernel}×{kernel} is larger than its input {width}×{height}"
            );
        };
        let (expected, bias) = match &self.conv.weights {
            Weights::Direct(weights, bias) => (weights.depth / (kernel * kernel), bias),
            Weights::Winograd(weights, bias) => (weights.inputs, bias),
            Weights::Candle(..) => candle_core::bail!("this convolution was loaded for another device"),
        };
        if inputs != expected {
            candle_core::bail!("the convolution expects {expected} input channels, got {inputs}");
        }
        let result = Shape::from((batch, bias.len(), out_height, out_width));
        if let Some((_, onto)) = onto.filter(|onto| *onto.1 != result) {
            candle_core::bail!("cannot add {onto:?} to the convolution's result of shape {result:?}");
        }
        let shifted: Vec<f32>;
        let bias = match &self.shift {
            None => &bias[..],
            Some(shift) if shift.len() == bias.len() => {
                shifted = bias.iter().zip(shift).map(|(bias, shift)| bias + shift).collect();
                &shifted
            }
            Some(shift) => {
                candle_core::bail!(
                    "the convolution has {} output channels, got a shift for {}",
                    bias.len(),
                    shift.len()
                )
            }
        };
        let addends = Addends { bias, onto: onto.map(|onto| onto.0) };
        let y = match &self.conv.weights {
            Weights::Winograd(weights, _) => winograd::convolve(x, weights, addends, conv_shape),
            Weights::Direct(weights, _) => direct::convolve(x, weights, addends, conv_shape, (out_height, out_width)),
            Weights::Candle(..) => vec![],
        };
        Ok((CpuStorage::F32(y), result))
    }
}

impl CustomOp1 for Run<'_> {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        self.run(slice(x, layout)?, layout.shape(), None)
    }
}

impl CustomOp2 for Run<'_> {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        onto: &CpuStorage,
        onto_layout: &Layout,
    ) -> TensorResult<(CpuStorage, Shape)> {
        self.run(slice(x, layout)?, layout.shape(), Some((slice(onto, onto_layout)?, onto_layout.shape())))
    }
}
