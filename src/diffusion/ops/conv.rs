//! Two-dimensional convolution.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result as TensorResult, Shape, Tensor};

use super::cpu::direct::{self, Geometry, Plus};
use super::cpu::pack::{Left, numbers_of};
use super::cpu::{slice, takes, winograd};
use crate::diffusion::Result;

/// Of more kernels than this none is kept transformed, which makes them 16/9 as large: those are the deepest layers of
/// a UNet, where most of the weights lie and little of the time goes. In Stable Diffusion 1.5 transforming them too
/// would take 0.9 GB more and make a step 5 % shorter.
const MOST_TRANSFORMED: usize = 1280 * 640;

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
        if takes(&weight) {
            let bias = bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), numbers_of)?;
            return Ok(Self::from_numbers(numbers_of(&weight)?, [outputs, inputs, kernel], bias, stride, padding));
        }
        let bias = bias.map(|bias| bias.reshape((1, outputs, 1, 1))).transpose()?;
        Ok(Self { kernels: Kernels::Plain(weight, bias), kernel, stride, padding })
    }

    /// The same for the CPU and float32, from numbers that need not be kept as they come.
    pub fn from_numbers(
        weight: Vec<f32>,
        [outputs, inputs, kernel]: [usize; 3],
        bias: Vec<f32>,
        stride: usize,
        padding: usize,
    ) -> Self {
        let bias = bias.into();
        let small = outputs.min(inputs) < 16 || outputs * inputs > MOST_TRANSFORMED;
        let kernels = if (kernel, stride, padding) == (3, 1, 1) && !small {
            Kernels::Winograd(Arc::new(winograd::Kernels::new(&weight, outputs, inputs)), bias)
        } else {
            Kernels::Direct(Arc::new(Left::new(weight, outputs)), bias)
        };
        Self { kernels, kernel, stride, padding }
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
            _ => x.contiguous()?.apply_op1_no_bwd(&Run { conv: self, shift: None }),
        }
    }

    /// The convolution of x, plus `onto`, which is shaped as the result.
    pub fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> TensorResult<Tensor> {
        match &self.kernels {
            Kernels::Plain(..) => self.forward(x)? + onto,
            _ => x.contiguous()?.apply_op2_no_bwd(&onto.contiguous()?, &Run { conv: self, shift: None }),
        }
    }

    /// The convolution of x, plus a number for each channel: `shift` [1, out].
    pub fn forward_shifted(&self, x: &Tensor, shift: &Tensor) -> TensorResult<Tensor> {
        match &self.kernels {
            Kernels::Plain(..) => self.forward(x)?.broadcast_add(&shift.unsqueeze(2)?.unsqueeze(3)?),
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

/// A convolution by our kernels, its bias shifted.
struct Run<'a> {
    conv: &'a Conv2d,
    shift: Option<Vec<f32>>,
}

impl Run<'_> {
    fn run(&self, x: &[f32], shape: &Shape, onto: Option<(&[f32], &Shape)>) -> TensorResult<(CpuStorage, Shape)> {
        let (batch, inputs, height, width) = shape.dims4()?;
        let Conv2d { kernel, stride, padding, .. } = *self.conv;
        let geometry = Geometry { batch, inputs, height, width, kernel, stride, padding };
        let Some((high, wide)) = geometry.output() else {
            candle_core::bail!("a picture of {width}×{height} is smaller than the convolution's kernel of {kernel}");
        };
        let (expected, bias) = match &self.conv.kernels {
            Kernels::Direct(kernels, bias) => (kernels.depth / (kernel * kernel), bias),
            Kernels::Winograd(kernels, bias) => (kernels.inputs, bias),
            Kernels::Plain(..) => candle_core::bail!("this convolution was made for another device"),
        };
        if inputs != expected {
            candle_core::bail!("the convolution is for {expected} channels and was given {inputs}");
        }
        let result = Shape::from((batch, bias.len(), high, wide));
        if let Some((_, onto)) = onto.filter(|onto| *onto.1 != result) {
            candle_core::bail!("the convolution gives {result:?} and was to be added to {onto:?}");
        }
        let shifted: Vec<f32>;
        let bias = match &self.shift {
            None => &bias[..],
            Some(shift) if shift.len() == bias.len() => {
                shifted = bias.iter().zip(shift).map(|(bias, shift)| bias + shift).collect();
                &shifted
            }
            Some(shift) => candle_core::bail!("the convolution has {} channels, not {}", bias.len(), shift.len()),
        };
        let plus = Plus { bias, onto: onto.map(|onto| onto.0) };
        let y = match &self.conv.kernels {
            Kernels::Winograd(kernels, _) => winograd::convolve(x, kernels, plus, geometry),
            Kernels::Direct(kernels, _) => direct::convolve(x, kernels, plus, geometry, (high, wide)),
            Kernels::Plain(..) => vec![],
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
