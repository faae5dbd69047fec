//! Checkpoints: where their files are, what they say about themselves, and whether that is true.

mod config;
mod files;
pub mod fingerprint;
mod weights;

pub use config::{BlockKind, PerBlock, ProjectedImageEncoderConfig, TextEncoderConfig, UNetConfig, VaeConfig};
pub use files::Files;
pub use weights::Weights;
