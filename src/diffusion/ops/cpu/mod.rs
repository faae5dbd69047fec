//! Our own float32 kernels for the CPU. They are written once against [`pulp::Simd`] and compiled for several
//! instruction sets (AVX-512, AVX2, NEON, WebAssembly, scalar code); the processor decides at run time.
//!
//! - `tile`: the register tile that all matrix products are made of
//! - `pack`: weights rearranged once, at load, into the order in which tiles read them
//! - `matmul`: linear layers
//! - `conv`: sizes and addends of a convolution; `direct` and `winograd`: its two algorithms
//! - `flash`: attention
//! - `elementwise`, `normalize`: activations, sums and norms, on top of `vectors` and `math`
//! - `threads`: how work is divided; `memory`: huge pages for large buffers

pub mod conv;
pub mod direct;
pub mod elementwise;
pub mod flash;
pub mod math;
pub mod matmul;
pub mod memory;
pub mod normalize;
pub mod pack;
pub mod threads;
pub mod tile;
pub mod vectors;
pub mod winograd;

use candle_core::{CpuStorage, DType, Layout, Result, Tensor};
use pulp::Arch;

/// Whether our kernels can compute with this tensor; otherwise candle's must.
pub fn supports(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The best instruction set that this processor has.
pub fn arch() -> Arch {
    #[cfg(test)]
    match forced_instructions() {
        #[cfg(target_arch = "x86_64")]
        Some("avx2") => return pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        Some("none") => return Arch::Scalar,
        _ => {}
    }
    Arch::new()
}

/// Tests set this variable to run with fewer instructions: `avx2`, or `none` for scalar code.
#[cfg(test)]
pub const FORCE_INSTRUCTIONS: &str = "PENTIMENTO_TESTED_INSTRUCTIONS";

#[cfg(test)]
fn forced_instructions() -> Option<&'static str> {
    static FORCED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var(FORCE_INSTRUCTIONS).ok());
    FORCED.as_deref()
}

/// The values of a contiguous tensor. Fails for any other layout.
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("the kernel needs a contiguous tensor, got {layout:?}");
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// A new vector of `len` values, all of them written by `fill`.
///
/// # Safety
/// Before it returns, `fill` must write all `len` values behind the pointer, and nothing else.
pub unsafe fn filled(len: usize, fill: impl FnOnce(threads::OutputPtr)) -> Vec<f32> {
    let mut values = memory::with_capacity(len);
    fill(threads::OutputPtr::new(values.as_mut_ptr()));
    // SAFETY: the capacity is `len`, and the caller promises that all of it was written.
    unsafe { values.set_len(len) };
    values
}
