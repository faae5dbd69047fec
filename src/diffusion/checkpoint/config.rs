//! The config files of a checkpoint's components, as diffusers and transformers write them, with their defaults for
//! absent keys.

use serde::Deserialize;

use crate::diffusion::ops::Activation;

/// `unet/config.json` (diffusers, `models/unets/unet_2d_condition.py`).
#[derive(Clone, Debug, Deserialize)]
pub struct UNetConfig {
    #[serde(default = "four")]
    pub in_channels: usize,
    #[serde(default = "four")]
    pub out_channels: usize,
    /// The side of the latents that it was trained on.
    #[serde(default)]
    pub sample_size: Option<usize>,
    pub down_block_types: Vec<BlockKind>,
    pub up_block_types: Vec<BlockKind>,
    #[serde(default = "mid_block")]
    pub mid_block_type: Option<String>,
    pub block_out_channels: Vec<usize>,
    #[serde(default = "two")]
    pub layers_per_block: PerBlock,
    #[serde(default = "one")]
    pub transformer_layers_per_block: PerBlock,
    #[serde(default = "context")]
    pub cross_attention_dim: PerBlock,
    /// The number of heads despite its name, a misnomer that diffusers keeps for the first checkpoints.
    #[serde(default = "eight")]
    pub attention_head_dim: PerBlock,
    #[serde(default)]
    pub num_attention_heads: Option<PerBlock>,
    #[serde(default = "groups")]
    pub norm_num_groups: usize,
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    #[serde(default = "silu")]
    pub act_fn: Activation,
    #[serde(default)]
    pub use_linear_projection: bool,
    #[serde(default)]
    pub only_cross_attention: bool,
    #[serde(default = "one_usize")]
    pub downsample_padding: usize,
    #[serde(default = "yes")]
    pub flip_sin_to_cos: bool,
    #[serde(default)]
    pub freq_shift: f64,
    #[serde(default = "one_f64")]
    pub mid_block_scale_factor: f64,
    #[serde(default)]
    pub addition_embed_type: Option<String>,
    #[serde(default)]
    pub class_embed_type: Option<String>,
    #[serde(default)]
    pub time_cond_proj_dim: Option<usize>,
    #[serde(default)]
    pub encoder_hid_dim_type: Option<String>,
    #[serde(default)]
    pub dual_cross_attention: bool,
    #[serde(default)]
    pub center_input_sample: bool,
    #[serde(default = "default_scale_shift")]
    pub resnet_time_scale_shift: String,
}

/// The kinds of blocks in Stable Diffusion's UNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BlockKind {
    CrossAttnDownBlock2D,
    DownBlock2D,
    CrossAttnUpBlock2D,
    UpBlock2D,
}

/// One number for all blocks, or one for each block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PerBlock {
    All(usize),
    Each(Vec<usize>),
}

impl PerBlock {
    /// The number of block `index`; `None` past the end of a list.
    pub fn at(&self, index: usize) -> Option<usize> {
        match self {
            Self::All(value) => Some(*value),
            Self::Each(values) => values.get(index).copied(),
        }
    }
}

/// `vae/config.json` (diffusers, `models/autoencoders/autoencoder_kl.py`).
#[derive(Clone, Debug, Deserialize)]
pub struct VaeConfig {
    #[serde(default = "three")]
    pub out_channels: usize,
    #[serde(default = "four")]
    pub latent_channels: usize,
    pub block_out_channels: Vec<usize>,
    #[serde(default = "one_usize")]
    pub layers_per_block: usize,
    #[serde(default = "groups")]
    pub norm_num_groups: usize,
    #[serde(default = "silu")]
    pub act_fn: Activation,
    #[serde(default = "vae_scaling")]
    pub scaling_factor: f64,
    #[serde(default)]
    pub shift_factor: Option<f64>,
    #[serde(default = "yes")]
    pub use_post_quant_conv: bool,
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
}

impl VaeConfig {
    /// Pixels per latent along a side. Every level but the last doubles it.
    pub fn factor(&self) -> usize {
        1 << (self.block_out_channels.len().saturating_sub(1))
    }
}

/// `text_encoder/config.json` (transformers, `CLIPTextConfig`).
#[derive(Clone, Debug, Deserialize)]
pub struct TextEncoderConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default = "positions")]
    pub max_position_embeddings: usize,
    #[serde(default = "quick_gelu")]
    pub hidden_act: Activation,
    #[serde(default = "norm_eps")]
    pub layer_norm_eps: f64,
}

/// `config.json` of an image encoder (transformers, `CLIPVisionConfig`).
#[derive(Clone, Debug, Deserialize)]
pub struct ProjectedImageEncoderConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub image_size: usize,
    pub patch_size: usize,
    #[serde(default = "projection")]
    pub projection_dim: usize,
    #[serde(default = "three")]
    pub num_channels: usize,
    #[serde(default = "quick_gelu")]
    pub hidden_act: Activation,
    #[serde(default = "norm_eps")]
    pub layer_norm_eps: f64,
}

fn mid_block() -> Option<String> {
    Some("UNetMidBlock2DCrossAttn".to_owned())
}
fn one_usize() -> usize {
    1
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn groups() -> usize {
    32
}
fn positions() -> usize {
    77
}
fn projection() -> usize {
    512
}
fn one() -> PerBlock {
    PerBlock::All(1)
}
fn two() -> PerBlock {
    PerBlock::All(2)
}
fn eight() -> PerBlock {
    PerBlock::All(8)
}
fn context() -> PerBlock {
    PerBlock::All(1280)
}
fn one_f64() -> f64 {
    1.0
}
fn norm_eps() -> f64 {
    1e-5
}
fn vae_scaling() -> f64 {
    0.18215
}
fn yes() -> bool {
    true
}
fn silu() -> Activation {
    Activation::Silu
}
fn quick_gelu() -> Activation {
    Activation::QuickGelu
}
fn default_scale_shift() -> String {
    "default".to_owned()
}
