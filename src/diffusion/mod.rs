//! The pipeline on candle: CLIP text encoder → UNet with decoupled cross-attention ← image encoder of the
//! reference → VAE. Knows nothing of stores or screens.
//!
//! - [`model`], [`checkpoint`], [`fingerprint`]: a diffusers folder or the embedded model: configs, weights, what fits
//!   together, and which it is
//! - [`compute`], [`memory`]: the device and the type, and whether it fits
//! - [`tokenizer`], [`text_encoder`]: a prompt becomes states
//! - [`preprocess`], [`image_encoder`], [`adapter`]: a reference becomes image tokens
//! - [`unet`]: predicts the noise, looking at text and image
//! - [`scheduler`], [`noise`]: the samplers and their seeds
//! - [`vae`]: latents become a picture
//! - [`pipeline`], [`observer`]: a generation from request to pictures, watched and cancelled from outside
//! - [`snapshot`]: a generation between two steps, to go on with later
//! - [`layers`], [`ops`]: layers named as in checkpoints, and the kernels behind them
//! - [`error`]: everything that can go wrong, in sentences

pub mod adapter;
pub mod checkpoint;
mod clip;
pub mod compute;
pub mod error;
pub mod fingerprint;
pub mod image_encoder;
pub mod layers;
pub mod memory;
pub mod model;
pub mod noise;
pub mod observer;
pub mod ops;
pub mod pipeline;
pub mod preprocess;
mod resize;
mod resnet;
pub mod scheduler;
pub mod snapshot;
pub mod text_encoder;
pub mod tokenizer;
pub mod unet;
pub mod vae;

pub use error::{Error, Result};
