//! The config files of a checkpoint's components, as diffusers and transformers write them, with their defaults for
//! absent keys.

use candle_core::DType;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::files::Files;
use crate::diffusion::ops::Activation;
use crate::diffusion::{Error, Result};

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
    /// The decoder overflows in float16. Checkpoints of Stable Diffusion 1.x do not say; diffusers decodes those in
    /// float16.
    #[serde(default)]
    pub force_upcast: Option<bool>,
    #[serde(default = "yes")]
    pub use_post_quant_conv: bool,
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
}

impl VaeConfig {
    /// The type that the decoder computes in, if the other components compute in `dtype`.
    pub fn decoder_dtype(&self, dtype: DType) -> DType {
        match (self.force_upcast, dtype) {
            (Some(true), DType::F16) => DType::F32,
            _ => dtype,
        }
    }

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

impl TextEncoderConfig {
    /// Reads the config.json of a text encoder, or of a whole CLIP model that contains one.
    pub fn load(folder: &Files) -> Result<Self> {
        tower(
            folder,
            "text_config",
            json!({
                "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048,
                "num_hidden_layers": 12, "num_attention_heads": 8
            }),
        )
    }
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

impl ProjectedImageEncoderConfig {
    /// Reads the config.json of an image encoder, or of a whole CLIP model that contains one.
    pub fn load(folder: &Files) -> Result<Self> {
        tower(
            folder,
            "vision_config",
            json!({
                "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
                "image_size": 224, "patch_size": 32
            }),
        )
    }
}

/// Reads a tower's config: config.json itself, or the object `key` in that of a `CLIPModel`. The latter leaves out what
/// is at its default. Its projection has the width that the model's own config names: older files have another width
/// in the object, which does not fit the weights.
fn tower<T: DeserializeOwned>(folder: &Files, key: &str, defaults: Value) -> Result<T> {
    const FILE: &str = "config.json";
    let mut config: Map<String, Value> = folder.json(FILE)?;
    if let Some(Value::Object(part)) = config.remove(key).filter(|_| !config.contains_key("hidden_size")) {
        let projection = config.remove_entry("projection_dim");
        let Value::Object(defaults) = defaults else { unreachable!("the callers pass objects") };
        config = defaults.into_iter().chain(part).chain(projection).collect();
    }
    serde_json::from_value(Value::Object(config))
        .map_err(|error| Error::BadConfig { path: folder.path_of(FILE), reason: error.to_string() })
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
