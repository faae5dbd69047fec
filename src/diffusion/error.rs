//! Every way in which a generation can fail.

use std::path::{Path, PathBuf};

use crate::studio::settings::{Sampler, UnknownSampler};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Each message says what is wrong and, where the user can do something, what to do. A path is that of the file at
/// fault; files of the embedded model begin with `<embedded>`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `what` is a predicate, such as "does not exist"; `remedy` begins with a verb.
    #[error("{} {what}: {remedy}", path.display())]
    Missing { path: PathBuf, what: String, remedy: String },

    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },

    #[error("{} is not a valid configuration: {reason}", path.display())]
    BadConfig { path: PathBuf, reason: String },

    /// `target` is the name that is looked for.
    #[error("{} is a pickle file, which can run code: run `{}`", path.display(), convert_command(path, target))]
    Pickle { path: PathBuf, target: PathBuf },

    /// `remedy` begins with a verb.
    #[error("{} is {what}: {remedy}", path.display())]
    WrongFile { path: PathBuf, what: &'static str, remedy: String },

    #[error("{} is not a whole safetensors file, because {reason}: copy or download it again", path.display())]
    BrokenWeights { path: PathBuf, reason: String },

    #[error(
        "{} is a {family} checkpoint, which this program cannot load: use a Stable Diffusion 1.x or 2.x checkpoint",
        path.display()
    )]
    UnsupportedFamily { path: PathBuf, family: String },

    #[error("{} has no tensor {name}: use weights of the architecture that its config.json describes", path.display())]
    MissingTensor { path: PathBuf, name: String },

    #[error(
        "{}: tensor {name} has the shape {found:?}, but its config.json asks for {expected:?}: use weights and a \
         config that belong together",
        path.display()
    )]
    WrongShape { path: PathBuf, name: String, expected: Vec<usize>, found: Vec<usize> },

    #[error("{}: tensor {name} has the type {found}: use weights in F8_E4M3, F8_E5M2, F16, BF16, F32 or F64", path.display())]
    WrongType { path: PathBuf, name: String, found: String },

    #[error("{}: tensor {name} cannot be used: {reason}", path.display())]
    BadTensor { path: PathBuf, name: String, reason: String },

    #[error("the adapter {} does not fit this checkpoint: {reason}", path.display())]
    AdapterMismatch { path: PathBuf, reason: String },

    #[error("{} is not an IP-Adapter: {reason}", path.display())]
    NotAnAdapter { path: PathBuf, reason: String },

    #[error(
        "{} is a FaceID adapter, which needs face recognition, and this program is not biometric: use ip-adapter, \
         ip-adapter-plus or ip-adapter-full-face",
        path.display()
    )]
    FaceId { path: PathBuf },

    #[error(
        "a reference needs an adapter, and this checkpoint has none: give --adapter FILE and --image-encoder DIR, or \
         leave the reference out"
    )]
    NoAdapter,

    #[error("invalid size {width}×{height}: use multiples of {multiple} that are at least {multiple}")]
    BadSize { width: usize, height: usize, multiple: usize },

    #[error("invalid {name} {value}: use {range}")]
    OutOfRange { name: &'static str, value: String, range: &'static str },

    #[error("{0}")]
    UnknownSampler(#[from] UnknownSampler),

    #[error("{} names the unknown scheduler {class}: {remedy}", path.display())]
    UnsupportedScheduler { path: PathBuf, class: String, remedy: String },

    #[error("{}: the scheduler {sampler} does not support {option}: {remedy}", path.display())]
    UnsupportedOption { path: PathBuf, sampler: Sampler, option: String, remedy: String },

    #[error("NaN or infinity in the latents at step {step}/{of}: {remedy}")]
    NotANumber { step: usize, of: usize, remedy: &'static str },

    #[error("NaN or infinity in the picture that {} decodes from finite latents: {remedy}", path.display())]
    UndecodableLatents { path: PathBuf, remedy: &'static str },

    #[error(
        "not enough memory on {device}: this generation needs about {}, and {} is free. Use a smaller size, fewer \
         pictures at once or a smaller checkpoint",
        gib(*needed), gib(*available)
    )]
    NotEnoughMemory { needed: u64, available: u64, device: String },

    #[error("cannot use the device {name:?}: {reason}")]
    Device { name: String, reason: String },

    #[error("the saved state cannot be used, because {reason}: start the generation again from its seed")]
    BadSnapshot { reason: String },

    #[error("cancelled")]
    Cancelled,

    #[error("{}", computation_failed(.0))]
    Tensor(#[from] candle_core::Error),
}

/// The command that makes `target` from a pickle without running it.
fn convert_command(path: &Path, target: &Path) -> String {
    let force = if path == target { " --force" } else { "" };
    format!("pentimento models convert {} {}{force}", quoted(path), quoted(target))
}

/// A path as a word of a shell's command line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// candle's message without the backtrace below its first line.
fn computation_failed(error: &candle_core::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    // CUDA reports full memory as `CUDA_ERROR_OUT_OF_MEMORY, "out of memory"`.
    let advice = if first.to_lowercase().contains("out of memory") || first.contains("OUT_OF_MEMORY") {
        ". The device's memory is full: use a smaller size or checkpoint, or end other programs on the device"
    } else {
        ""
    };
    format!("computation failed: {first}{advice}")
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
