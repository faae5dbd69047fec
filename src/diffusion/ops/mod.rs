//! Tensor operations behind the model layers.
//!
//! On the CPU in float32, operations that are slow in candle run on our own kernels (`cpu`). On other devices and
//! types they run on candle's. Both give the same results up to rounding.

mod activation;
mod attention;
mod conv;
mod cpu;
mod linear;
mod norm;
mod sum;

pub use activation::{Activation, geglu, silu};
pub use attention::attention;
pub use conv::Conv2d;
pub use cpu::memory::zeros;
pub use linear::{GatedLinear, Linear};
pub use norm::{GroupNorm, LayerNorm};
pub use sum::add_scaled;

use candle_core::Device;

/// Runs `work`, a long series of operations, on a rayon thread if the device is the CPU. From any other thread, each
/// operation would pay for a hand-over to rayon's threads and back.
pub fn on_workers<T: Send>(device: &Device, work: impl FnOnce() -> T + Send) -> T {
    // GPU libraries bind their state to the calling thread, so stay on it.
    if device.is_cpu() { rayon::scope(|_| work()) } else { work() }
}

#[cfg(test)]
mod tests;
