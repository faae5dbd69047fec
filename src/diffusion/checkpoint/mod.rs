//! Checkpoints: which files they consist of, what their configs say, and their tensors.
//!
//! - [`Files`]: a folder on disk or embedded
//! - [`Family`], [`Checkpoint`]: what a checkpoint consists of, and where
//! - [`UNetConfig`] and the like: the components' config files
//! - [`Source`], [`View`], [`Weights`]: stored tensors, and the ones that layers ask for
//! - [`fingerprint`]: hashes of files

mod config;
mod family;
mod files;
pub mod fingerprint;
mod layout;
mod safetensors;
mod source;
mod values;
mod view;
mod weights;

pub use config::{BlockKind, PerBlock, ProjectedImageEncoderConfig, TextEncoderConfig, UNetConfig, VaeConfig};
pub use family::{Component, Family, Parts, TextPart};
pub use files::Files;
pub use layout::Checkpoint;
pub use source::Source;
pub use view::View;
pub use weights::{Delta, Weights};
