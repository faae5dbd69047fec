//! The kernels behind the layers. On the CPU in float32 they are our own where candle's are slow; elsewhere they
//! are candle's. Same results either way, to rounding.

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

/// Runs work of many operations where they are computed: from another thread each of them would first have to wake
/// one of those that compute, and be woken by it.
pub fn on_workers<T: Send>(device: &Device, work: impl FnOnce() -> T + Send) -> T {
    // A GPU's library ties its state to the thread that called it.
    if device.is_cpu() { rayon::scope(|_| work()) } else { work() }
}

#[cfg(test)]
mod tests;
