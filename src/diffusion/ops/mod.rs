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
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm};
pub use sum::add_scaled;

#[cfg(test)]
mod tests;
