//! Checkpoints: where their files are, what they say about themselves, and whether that is true.

mod config;
mod files;
pub mod fingerprint;
mod safetensors;
mod source;
mod view;
mod weights;

pub use config::{BlockKind, PerBlock, ProjectedImageEncoderConfig, TextEncoderConfig, UNetConfig, VaeConfig};
pub use files::Files;
pub use source::Source;
pub use view::View;
pub use weights::{Delta, Weights};
