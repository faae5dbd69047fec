//! The blocks of a UNet, planned from its config.json before weights load.

use crate::diffusion::checkpoint::{BlockKind, PerBlock, UNetConfig};
use crate::diffusion::ops::Activation;
use crate::diffusion::resnet::ResnetShape;

/// The blocks of a UNet with their channels.
pub struct Plan {
    /// The channels of the first level.
    pub channels: usize,
    pub down: Vec<LevelPlan>,
    pub mid: Option<LevelPlan>,
    pub up: Vec<LevelPlan>,
}

/// One block: residual blocks, each followed by a transformer if there is one.
pub struct LevelPlan {
    /// Input and output channels of each residual block.
    pub resnets: Vec<(usize, usize)>,
    pub resnet: ResnetShape,
    pub transformer: Option<TransformerShape>,
    /// Whether the block ends with down- or upsampling by 2.
    pub resamples: bool,
}

/// A stack of transformer layers at one resolution.
#[derive(Clone, Copy, Debug)]
pub struct TransformerShape {
    pub channels: usize,
    pub heads: usize,
    pub layers: usize,
    /// The width of the text states.
    pub context: usize,
    pub groups: usize,
    pub linear_projection: bool,
}

/// Known UNets stay far below these limits. A config beyond them is a mistake or an attack.
const MOST_LEVELS: usize = 16;
const MOST_LAYERS: usize = 64;
const MOST_CHANNELS: usize = 1 << 16;

impl Plan {
    /// `Err` is the reason why this program cannot compute such a UNet.
    pub fn new(config: &UNetConfig) -> Result<Self, String> {
        refuse_unsupported(config)?;
        let channels = &config.block_out_channels;
        let levels = channels.len();
        if levels == 0 || levels > MOST_LEVELS {
            return Err(format!("block_out_channels has {levels} entries, not 1 to {MOST_LEVELS}"));
        }
        if config.down_block_types.len() != levels || config.up_block_types.len() != levels {
            return Err(format!(
                "block_out_channels has {levels} entries, but down_block_types or up_block_types has not"
            ));
        }
        check_widths(config)?;
        let resnet = ResnetShape {
            groups: config.norm_num_groups,
            eps: config.norm_eps,
            time: Some(4 * channels[0]),
            output_scale: 1.0,
        };
        let last = levels - 1;

        let down = (0..levels).map(|i| {
            let layers = layers_per_block(config, i)?;
            let (inputs, outputs) = (channels[i.saturating_sub(1)], channels[i]);
            Ok(LevelPlan {
                resnets: (0..layers).map(|j| (if j == 0 { inputs } else { outputs }, outputs)).collect(),
                resnet,
                transformer: match config.down_block_types[i] {
                    BlockKind::CrossAttnDownBlock2D => Some(transformer(config, i)?),
                    BlockKind::DownBlock2D => None,
                    other => return Err(format!("{other:?} is among the down blocks")),
                },
                resamples: i < last,
            })
        });
        let down = down.collect::<Result<Vec<_>, String>>()?;

        let up = (0..levels).map(|i| {
            let level = last - i;
            let layers = layers_per_block(config, level)? + 1;
            let before = channels[(level + 1).min(last)];
            let (outputs, skipped_last) = (channels[level], channels[level.saturating_sub(1)]);
            let resnets = (0..layers).map(|j| {
                let inputs = if j == 0 { before } else { outputs };
                let skip = if j == layers - 1 { skipped_last } else { outputs };
                (inputs + skip, outputs)
            });
            Ok(LevelPlan {
                resnets: resnets.collect(),
                resnet,
                transformer: match config.up_block_types[i] {
                    BlockKind::CrossAttnUpBlock2D => Some(transformer(config, level)?),
                    BlockKind::UpBlock2D => None,
                    other => return Err(format!("{other:?} is among the up blocks")),
                },
                resamples: level > 0,
            })
        });
        let up = up.collect::<Result<Vec<_>, String>>()?;

        let mid = match config.mid_block_type.as_deref() {
            Some("UNetMidBlock2DCrossAttn") => Some(LevelPlan {
                resnets: vec![(channels[last], channels[last]); 2],
                resnet: ResnetShape { output_scale: config.mid_block_scale_factor, ..resnet },
                transformer: Some(transformer(config, last)?),
                resamples: false,
            }),
            None => None,
            Some(other) => return Err(format!("the mid_block_type {other:?} is not supported")),
        };
        Ok(Self { channels: channels[0], down, mid, up })
    }
}

fn layers_per_block(config: &UNetConfig, level: usize) -> Result<usize, String> {
    bounded(&config.layers_per_block, level, "layers_per_block", MOST_LAYERS)
}

fn transformer(config: &UNetConfig, level: usize) -> Result<TransformerShape, String> {
    let channels = config.block_out_channels[level];
    let heads = config.num_attention_heads.as_ref().unwrap_or(&config.attention_head_dim);
    let heads = bounded(heads, level, "attention_head_dim", MOST_CHANNELS)?;
    if !channels.is_multiple_of(heads) {
        return Err(format!("{channels} channels do not divide into {heads} heads"));
    }
    Ok(TransformerShape {
        channels,
        heads,
        layers: bounded(&config.transformer_layers_per_block, level, "transformer_layers_per_block", MOST_LAYERS)?,
        context: bounded(&config.cross_attention_dim, level, "cross_attention_dim", MOST_CHANNELS)?,
        groups: config.norm_num_groups,
        linear_projection: config.use_linear_projection,
    })
}

fn bounded(values: &PerBlock, level: usize, name: &str, most: usize) -> Result<usize, String> {
    match values.at(level) {
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err(format!("{name} is {value}, not 1 to {most}")),
        None => Err(format!("{name} has no entry for block {level}")),
    }
}

fn check_widths(config: &UNetConfig) -> Result<(), String> {
    let groups = config.norm_num_groups;
    for &width in &config.block_out_channels {
        if width == 0 || width > MOST_CHANNELS {
            return Err(format!("block_out_channels contains {width}, not 1 to {MOST_CHANNELS}"));
        }
        if groups == 0 || !width.is_multiple_of(groups) {
            return Err(format!("{width} channels do not divide into {groups} groups"));
        }
    }
    for (name, width) in [("in_channels", config.in_channels), ("out_channels", config.out_channels)] {
        if width == 0 || width > MOST_CHANNELS {
            return Err(format!("{name} is {width}, not 1 to {MOST_CHANNELS}"));
        }
    }
    Ok(())
}

/// Refuses features that would change the picture and are not implemented.
fn refuse_unsupported(config: &UNetConfig) -> Result<(), String> {
    let refusals = [
        (config.addition_embed_type.is_some(), "addition_embed_type (Stable Diffusion XL)"),
        (config.class_embed_type.is_some(), "class_embed_type"),
        (config.time_cond_proj_dim.is_some(), "time_cond_proj_dim (guidance-distilled models)"),
        (config.encoder_hid_dim_type.is_some(), "encoder_hid_dim_type"),
        (config.dual_cross_attention, "dual_cross_attention"),
        (config.only_cross_attention, "only_cross_attention"),
        (config.center_input_sample, "center_input_sample"),
        (config.act_fn != Activation::Silu, "an act_fn other than silu"),
        (config.resnet_time_scale_shift != "default", "a resnet_time_scale_shift other than \"default\""),
        (config.downsample_padding != 1, "a downsample_padding other than 1"),
    ];
    match refusals.iter().find(|(present, _)| *present) {
        Some((_, name)) => Err(format!("UNets with {name} are not supported")),
        None => Ok(()),
    }
}
