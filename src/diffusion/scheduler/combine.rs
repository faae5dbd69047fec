//! Linear combinations of tensors, which all schedulers are made of.

use candle_core::Tensor;

use crate::diffusion::Result;

/// The sum of all `factor · tensor`, from left to right. All tensors have one shape, and there is at least one. The
/// factors are float32, as in diffusers, where they are zero-dimensional tensors.
pub(super) fn combine<const N: usize>(terms: [(f32, &Tensor); N]) -> Result<Tensor> {
    let [(factor, tensor), rest @ ..] = terms.as_slice() else { unreachable!("a sum needs at least one term") };
    let mut sum = scaled(*factor, tensor)?;
    for (factor, tensor) in rest {
        sum = (sum + scaled(*factor, tensor)?)?;
    }
    Ok(sum)
}

/// `tensor / divisor` as a real division. Where the noise is much larger than the original, multiplying by the
/// reciprocal would change the original's last digits.
pub(super) fn divided(tensor: &Tensor, divisor: f32) -> Result<Tensor> {
    Ok(tensor.broadcast_div(&Tensor::new(divisor, tensor.device())?)?)
}

fn scaled(factor: f32, tensor: &Tensor) -> Result<Tensor> {
    Ok(if factor == 1.0 { tensor.clone() } else { tensor.affine(f64::from(factor), 0.0)? })
}
