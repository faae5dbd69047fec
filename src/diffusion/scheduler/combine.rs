//! Samplers are linear combinations of pictures.

use candle_core::Tensor;

use crate::diffusion::Result;

/// The sum of all `factor · tensor`; all tensors have one shape, and there is at least one. The factors are float32
/// numbers, as in diffusers, where they are tensors without dimensions.
pub(super) fn combine<const N: usize>(terms: [(f32, &Tensor); N]) -> Result<Tensor> {
    let [(factor, tensor), rest @ ..] = terms.as_slice() else { unreachable!("no sum without terms") };
    let mut sum = scaled(*factor, tensor)?;
    for (factor, tensor) in rest {
        sum = (sum + scaled(*factor, tensor)?)?;
    }
    Ok(sum)
}

/// `tensor / divisor`, divided: where the noise is much greater than the picture, a product with the reciprocal would
/// be off by as much as the picture's last digits.
pub(super) fn divided(tensor: &Tensor, divisor: f32) -> Result<Tensor> {
    Ok(tensor.broadcast_div(&Tensor::new(divisor, tensor.device())?)?)
}

fn scaled(factor: f32, tensor: &Tensor) -> Result<Tensor> {
    Ok(if factor == 1.0 { tensor.clone() } else { tensor.affine(f64::from(factor), 0.0)? })
}
