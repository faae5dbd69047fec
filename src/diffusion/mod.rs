//! Stable Diffusion with IP-Adapter, on candle.
//!
//! Prompts pass through CLIP's text encoder, a reference through an image encoder and an adapter. The UNet looks at
//! both in its cross-attentions, and the VAE decodes its latents. This module knows no store and no screen.
//!
//! - [`model`], [`checkpoint`], [`fingerprint`]: the files of a model, their configs and tensors, and their hashes
//! - [`convert`]: pickle files become safetensors
//! - [`compute`], [`memory`]: the device and type to compute in, and the memory that a generation needs
//! - [`tokenizer`], [`text_encoder`]: prompts become text states
//! - [`preprocess`], [`image_encoder`], [`adapter`]: references become image tokens
//! - [`unet`]: predicts the noise from latents, text and image
//! - [`scheduler`], [`noise`]: samplers and their random numbers
//! - [`vae`]: latents become pictures
//! - [`pipeline`], [`observer`]: a generation from request to pictures, and its progress
//! - [`snapshot`]: a generation between two steps, to resume later
//! - [`layers`], [`ops`]: layers, and the kernels that compute them
//! - [`error`]: every way in which a generation can fail

pub mod adapter;
pub mod checkpoint;
mod clip;
pub mod compute;
pub mod convert;
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
