//! Everything that can go wrong in a generation, as sentences: what was wrong, where, what to do.

use std::path::PathBuf;

use crate::studio::settings::UnknownSampler;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Paths are those of the files at fault; for the embedded model they begin with `<embedded>`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is missing: {what}; {remedy}", path.display())]
    Missing { path: PathBuf, what: String, remedy: String },

    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },

    #[error("{} is not a valid configuration: {reason}", path.display())]
    BadConfig { path: PathBuf, reason: String },

    #[error(
        "{} is a pickle file, which can run code when it is loaded, and is refused; convert it on a machine you \
         trust with `safetensors.torch.save_file(torch.load(file, weights_only=True), \"model.safetensors\")`",
        path.display()
    )]
    Pickle { path: PathBuf },

    #[error("{} is not a whole safetensors file: {reason}; copy or download it again", path.display())]
    BrokenWeights { path: PathBuf, reason: String },

    #[error("{} has no tensor {name}; the file belongs to another architecture than its config.json says", path.display())]
    MissingTensor { path: PathBuf, name: String },

    #[error("{}: tensor {name} has the shape {found:?}, but the configuration asks for {expected:?}", path.display())]
    WrongShape { path: PathBuf, name: String, expected: Vec<usize>, found: Vec<usize> },

    #[error("{}: tensor {name} has the type {found}, which is not a floating-point type this program reads (F32, F16, BF16)", path.display())]
    WrongType { path: PathBuf, name: String, found: String },

    #[error("{}: tensor {name} cannot be used: {reason}", path.display())]
    BadTensor { path: PathBuf, name: String, reason: String },

    #[error("the adapter {} does not fit this checkpoint: {reason}", path.display())]
    AdapterMismatch { path: PathBuf, reason: String },

    #[error("{} is not an IP-Adapter: {reason}", path.display())]
    NotAnAdapter { path: PathBuf, reason: String },

    #[error(
        "{} is a FaceID adapter, which conditions on a face-recognition embedding; this program is not biometric and \
         does not use it: take ip-adapter, ip-adapter-plus or ip-adapter-full-face instead",
        path.display()
    )]
    FaceId { path: PathBuf },

    #[error(
        "a reference needs an adapter, and this checkpoint brings none; give --adapter FILE and --image-encoder DIR, \
         or leave the reference out"
    )]
    NoAdapter,

    #[error(
        "{width}×{height} cannot be generated: width and height must be multiples of {multiple}, and at least {multiple}"
    )]
    BadSize { width: usize, height: usize, multiple: usize },

    #[error("{name} is {value}, but must be {range}")]
    OutOfRange { name: &'static str, value: String, range: &'static str },

    #[error("{0}")]
    UnknownSampler(#[from] UnknownSampler),

    #[error("{} names the scheduler {class}, which this program does not know; choose one with --scheduler", path.display())]
    UnsupportedScheduler { path: PathBuf, class: String },

    #[error("the latents stopped being numbers at step {step} of {of}; {remedy}")]
    NotANumber { step: usize, of: usize, remedy: &'static str },

    #[error(
        "not enough memory: this generation needs about {} and {} is free on {device}; use a smaller size, fewer \
         pictures at once, or a smaller checkpoint",
        gib(*needed), gib(*available)
    )]
    NotEnoughMemory { needed: u64, available: u64, device: String },

    #[error("the device {name:?} cannot be used: {reason}")]
    Device { name: String, reason: String },

    #[error("the saved state of this generation cannot be used: {reason}; begin again from the seed")]
    BadSnapshot { reason: String },

    #[error("cancelled")]
    Cancelled,

    #[error("{}", first_line(.0))]
    Tensor(#[from] candle_core::Error),
}

/// candle's messages carry a backtrace below their first line.
fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    // A GPU says how much it has only by refusing; CUDA's words for that are `CUDA_ERROR_OUT_OF_MEMORY, "out of memory"`.
    let advice = if first.to_lowercase().contains("out of memory") || first.contains("OUT_OF_MEMORY") {
        "; the device's memory is full: use a smaller size or a smaller checkpoint, or end what else uses the device"
    } else {
        ""
    };
    format!("the computation failed: {first}{advice}")
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
