//! Scaled sums of two tensors.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::cpu::{elementwise, slice, supports};

/// x + scale · y, for two tensors of one shape.
pub fn add_scaled(x: &Tensor, y: &Tensor, scale: f64) -> Result<Tensor> {
    if supports(x) {
        return x.contiguous()?.apply_op2_no_bwd(&y.contiguous()?, &Kernel { scale: scale as f32 });
    }
    if scale == 1.0 { x + y } else { x + (y * scale)? }
}

/// candle's addition runs on threads of its own, which spin and take processor time from ours.
struct Kernel {
    scale: f32,
}

impl CustomOp2 for Kernel {
    fn name(&self) -> &'static str {
        "add-scaled"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout, y: &CpuStorage, y_at: &Layout) -> Result<(CpuStorage, Shape)> {
        if at.shape() != y_at.shape() {
            candle_core::bail!("cannot add tensors of shapes {:?} and {:?}", at.dims(), y_at.dims());
        }
        let sum = elementwise::add_scaled(slice(x, at)?, slice(y, y_at)?, self.scale);
        Ok((CpuStorage::F32(sum), at.shape().clone()))
    }
}
