//! Our own float32 kernels for the CPU, written once against [`pulp::Simd`] and compiled for what the processor
//! turns out to have (AVX-512, AVX2, NEON, WebAssembly, or scalars).
//!
//! - [`tile`]: the register tile every product is made of
//! - [`pack`]: weights in the order in which tiles read them, made once at load
//! - [`direct`], [`winograd`]: convolutions; [`product`]: linear layers; [`flash`]: attention
//! - [`rows`]: normalisations and activations; [`math`]: exp and erf on vectors
//! - [`threads`]: how work is spread; [`memory`]: where large buffers lie

pub mod direct;
pub mod flash;
pub mod math;
pub mod memory;
pub mod pack;
pub mod product;
pub mod rows;
pub mod threads;
pub mod tile;
pub mod winograd;

use candle_core::{CpuStorage, DType, Layout, Result, Tensor};
use pulp::Arch;

/// Whether our kernels take this tensor; candle's take the others.
pub fn takes(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The best instructions that this processor has.
pub fn arch() -> Arch {
    #[cfg(test)]
    match tested() {
        #[cfg(target_arch = "x86_64")]
        Some("avx2") => return pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        Some("none") => return Arch::Scalar,
        _ => {}
    }
    Arch::new()
}

/// The variable by which a test process asks for lesser instructions: `avx2`, or `none` for no vectors at all.
#[cfg(test)]
pub const TESTED: &str = "PENTIMENTO_TESTED_INSTRUCTIONS";

#[cfg(test)]
fn tested() -> Option<&'static str> {
    static WISH: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var(TESTED).ok());
    WISH.as_deref()
}

/// The numbers of a contiguous tensor.
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a kernel was given a tensor that is not contiguous: {layout:?}");
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// A new vector of `len` numbers that `fill` writes, every one of them.
///
/// # Safety
/// `fill` must write all `len` numbers behind the pointer before it returns, and nothing else.
pub unsafe fn filled(len: usize, fill: impl FnOnce(threads::Shared)) -> Vec<f32> {
    let mut numbers = memory::with_room(len);
    fill(threads::Shared::new(numbers.as_mut_ptr()));
    // SAFETY: the capacity is `len`, and the caller promises that all of it was written.
    unsafe { numbers.set_len(len) };
    numbers
}
