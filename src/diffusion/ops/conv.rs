//! Two-dimensional convolution.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result as TensorResult, Shape, Tensor};

use super::cpu::direct::{self, Geometry};
use super::cpu::pack::Left;
use super::cpu::winograd;
use crate::diffusion::Result;

/// Kernels with more numbers than this are not kept transformed, which makes them 16/9 as large: those are the deepest
/// layers of a UNet, where pictures are small and most of the weights lie.
const LARGEST_TRANSFORMED: usize = 1280 * 1280;

/// [batch, in, h, w] → [batch, out, h', w'] with a square kernel.
#[derive(Clone)]
pub struct Conv2d {
    kernels: Kernels,
    kernel: usize,
    stride: usize,
    padding: usize,
}

#[derive(Clone)]
enum Kernels {
    /// For candle: the weight [out, in, kernel, kernel], and the bias as [1, out, 1, 1].
    Plain(Tensor, Option<Tensor>),
    Direct(Arc<Left>, Arc<[f32]>),
    Winograd(Arc<winograd::Kernels>, Arc<[f32]>),
}

impl Conv2d {
    /// `weight` [out, in, kernel, kernel], `bias` [out].
    pub fn new(weight: Tensor, bias: Option<Tensor>, stride: usize, padding: usize) -> Result<Self> {
        let (outputs, inputs, kernel, _) = weight.dims4()?;
        let kernels = if super::cpu::takes(&weight) {
            let bias = match bias {
                Some(bias) => bias.to_vec1::<f32>()?.into(),
                None => vec![0.0; outputs].into(),
            };
            let small = outputs.min(inputs) < 16 || outputs * inputs > LARGEST_TRANSFORMED;
            if (kernel, stride, padding) == (3, 1, 1) && !small {
                Kernels::Winograd(Arc::new(winograd::Kernels::new(&weight)?), bias)
            } else {
                Kernels::Direct(Arc::new(Left::new(&weight)?), bias)
            }
        } else {
            Kernels::Plain(weight, bias.map(|bias| bias.reshape((1, outputs, 1, 1))).transpose()?)
        };
        Ok(Self { kernels, kernel, stride, padding })
    }

    pub fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        match &self.kernels {
            Kernels::Plain(weight, bias) => {
                let y = x.conv2d(weight, self.padding, self.stride, 1, 1)?;
                match bias {
                    Some(bias) => y.broadcast_add(bias),
                    None => Ok(y),
                }
            }
            _ => x.contiguous()?.apply_op1_no_bwd(self),
        }
    }
}

impl std::fmt::Debug for Conv2d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, stride, padding, .. } = self;
        write!(f, "Conv2d {{ kernel: {kernel}, stride: {stride}, padding: {padding} }}")
    }
}

impl CustomOp1 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let x = super::cpu::slice(storage, layout)?;
        let (batch, inputs, height, width) = layout.shape().dims4()?;
        let Self { kernel, stride, padding, .. } = *self;
        let geometry = Geometry { batch, inputs, height, width, kernel, stride, padding };
        let Some((high, wide)) = geometry.output() else {
            candle_core::bail!("a picture of {width}×{height} is smaller than the convolution's kernel of {kernel}");
        };
        let (expected, outputs) = match &self.kernels {
            Kernels::Direct(kernels, _) => (kernels.depth / (kernel * kernel), kernels.rows),
            Kernels::Winograd(kernels, _) => (kernels.inputs, kernels.outputs),
            Kernels::Plain(..) => candle_core::bail!("this convolution was made for another device"),
        };
        if inputs != expected {
            candle_core::bail!("the convolution is for {expected} channels and was given {inputs}");
        }
        let y = match &self.kernels {
            Kernels::Winograd(kernels, bias) => winograd::convolve(x, kernels, bias, geometry),
            Kernels::Direct(kernels, bias) => direct::convolve(x, kernels, bias, geometry, (high, wide)),
            Kernels::Plain(..) => vec![],
        };
        Ok((CpuStorage::F32(y), (batch, outputs, high, wide).into()))
    }
}
