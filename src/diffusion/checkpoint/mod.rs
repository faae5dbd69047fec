//! Checkpoints: which files they consist of, what their configs say, and their tensors.
//!
//! - [`Files`]: a folder on disk or embedded
//! - [`Family`], [`Checkpoint`]: what a checkpoint consists of, and where
//! - [`UNetConfig`] and the like: the components' config files
//! - `component`: which of a folder's files hold the weights
//! - `kind`: what a file is by its bytes; `float8`: 8-bit numbers
//! - [`Source`], [`View`], [`Weights`]: stored tensors, and the ones that layers ask for
//! - [`fingerprint`]: hashes of files

mod component;
mod config;
mod family;
mod files;
pub mod fingerprint;
mod float8;
mod kind;
mod layout;
mod safetensors;
mod source;
mod values;
mod view;
mod weights;

pub(in crate::diffusion) use component::note as component_note;
pub use config::{BlockKind, PerBlock, ProjectedImageEncoderConfig, TextEncoderConfig, UNetConfig, VaeConfig};
pub use family::{Component, Family, Parts, TextPart};
pub use files::Files;
pub(in crate::diffusion) use kind::{FileKind, START};
pub use layout::Checkpoint;
pub use source::Source;
pub use view::View;
pub use weights::{Delta, Weights};
