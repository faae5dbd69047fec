//! The decoder of AutoencoderKL: turns latents into pictures (diffusers, `models/autoencoders/vae.py`).

use std::path::PathBuf;

use candle_core::{DType, Device, Result as TensorResult, Tensor};
use image::RgbImage;

use super::checkpoint::{VaeConfig, View, Weights};
use super::layers;
use super::ops::{self, Activation, Conv2d, GroupNorm, Linear, add_scaled, attention};
use super::resnet::{ResnetBlock, ResnetShape, Upsample};
use super::{Error, Result};

/// Latents [batch, latent channels, h, w] → pictures [batch, 3, factor·h, factor·w].
pub struct VaeDecoder {
    post_quant: Option<Conv2d>,
    conv_in: Conv2d,
    mid_first: ResnetBlock,
    mid_attention: Option<MidAttention>,
    mid_last: ResnetBlock,
    up: Vec<UpBlock>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    config: VaeConfig,
    device: Device,
    dtype: DType,
    /// The weights' file, for messages.
    path: PathBuf,
}

struct UpBlock {
    resnets: Vec<ResnetBlock>,
    upsample: Option<Upsample>,
}

/// Self-attention with one head over all pixels of the smallest feature map.
struct MidAttention {
    norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

/// Of every group norm.
const EPS: f64 = 1e-6;

impl VaeDecoder {
    /// Loads the tensors below `decoder.` and `post_quant_conv`.
    pub fn load(weights: &Weights, config: &VaeConfig) -> Result<Self> {
        check(config).map_err(|reason| weights.bad_config(reason))?;
        let shape = ResnetShape { groups: config.norm_num_groups, eps: EPS, time: None, output_scale: 1.0 };
        let latent = config.latent_channels;
        let (first, last) =
            (config.block_out_channels[0], config.block_out_channels[config.block_out_channels.len() - 1]);
        let decoder = weights.pp("decoder");
        let mid = decoder.pp("mid_block");
        let mid_resnet = |i: usize| ResnetBlock::load(&mid.pp(format!("resnets.{i}")), last, last, shape);
        let mid_attention = || MidAttention::load(&mid.pp("attentions.0"), last, config.norm_num_groups);

        let levels = config.block_out_channels.iter().rev();
        let mut inputs = last;
        let mut up = Vec::new();
        for (i, &outputs) in levels.enumerate() {
            let here = decoder.pp(format!("up_blocks.{i}"));
            let resnet = |j: usize| {
                let inputs = if j == 0 { inputs } else { outputs };
                ResnetBlock::load(&here.pp(format!("resnets.{j}")), inputs, outputs, shape)
            };
            let resamples = i + 1 < config.block_out_channels.len();
            up.push(UpBlock {
                resnets: (0..=config.layers_per_block).map(resnet).collect::<Result<_>>()?,
                upsample: resamples.then(|| Upsample::load(&here.pp("upsamplers.0"), outputs)).transpose()?,
            });
            inputs = outputs;
        }
        let post_quant = || layers::conv2d(&weights.pp("post_quant_conv"), latent, latent, 1, 1, 0);
        Ok(Self {
            post_quant: config.use_post_quant_conv.then(post_quant).transpose()?,
            conv_in: layers::conv2d(&decoder.pp("conv_in"), latent, last, 3, 1, 1)?,
            mid_first: mid_resnet(0)?,
            mid_attention: config.mid_block_add_attention.then(mid_attention).transpose()?,
            mid_last: mid_resnet(1)?,
            up,
            norm_out: layers::group_norm(&decoder.pp("conv_norm_out"), config.norm_num_groups, first, EPS)?,
            conv_out: layers::conv2d(&decoder.pp("conv_out"), first, config.out_channels, 3, 1, 1)?,
            config: config.clone(),
            device: weights.device().clone(),
            dtype: weights.dtype(),
            path: weights.path(),
        })
    }

    /// Latents as the sampler returns them (scaled) → pictures [batch, 3, H, W], about −1 to 1, not clamped.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        ops::on_workers(latents.device(), || self.compute(latents))
    }

    fn compute(&self, latents: &Tensor) -> Result<Tensor> {
        let mut x = (latents / self.config.scaling_factor)?;
        if let Some(shift) = self.config.shift_factor {
            x = (x + shift)?;
        }
        if let Some(conv) = &self.post_quant {
            x = conv.forward(&x)?;
        }
        x = self.conv_in.forward(&x)?;
        x = self.mid_first.forward(&x, None)?;
        if let Some(attention) = &self.mid_attention {
            x = attention.forward(&x)?;
        }
        x = self.mid_last.forward(&x, None)?;
        for block in &self.up {
            x = block.forward(&x)?;
        }
        Ok(self.conv_out.forward(&self.norm_out.forward_silu(&x)?)?)
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The error for a decoded picture with NaN or infinity.
    pub fn undecodable(&self) -> Error {
        let remedy = match self.dtype {
            DType::F16 => "use --dtype bf16 or f32, or set force_upcast to true in the config.json of vae/",
            _ => "replace vae/ by the folder of another VAE, because its weights are damaged",
        };
        Error::UndecodableLatents { path: self.path.clone(), remedy }
    }

    /// Pixels per latent along a side.
    pub fn factor(&self) -> usize {
        self.config.factor()
    }
}

/// Pictures [batch, 3, H, W] from −1 to 1 → an 8-bit picture for each row, clamped and rounded as in diffusers
/// (`image_processor.py`: `denormalize`, `numpy_to_pil`).
pub fn pictures(decoded: &Tensor) -> Result<Vec<RgbImage>> {
    let (batch, _, height, width) = decoded.dims4()?;
    let scaled = ((decoded.to_dtype(DType::F32)? * 0.5)? + 0.5)?.clamp(0f32, 1f32)?;
    let rows = scaled.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1)?; // [batch, H·W·3]
    (0..batch)
        .map(|row| {
            let values = rows.get(row)?.to_vec1::<f32>()?;
            let bytes = values.into_iter().map(|value| (value * 255.0).round_ties_even() as u8).collect();
            let picture = RgbImage::from_raw(width as u32, height as u32, bytes);
            Ok(picture
                .ok_or_else(|| candle_core::Error::Msg("a decoded picture does not have three channels".into()))?)
        })
        .collect()
}

impl UpBlock {
    fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        let mut x = x.clone();
        for resnet in &self.resnets {
            x = resnet.forward(&x, None)?;
        }
        match &self.upsample {
            Some(upsample) => upsample.forward(&x, 2 * x.dim(2)?, 2 * x.dim(3)?),
            None => Ok(x),
        }
    }
}

impl MidAttention {
    fn load(weights: &Weights, channels: usize, groups: usize) -> Result<Self> {
        let weights = with_new_names(weights, channels)?;
        let linear = |name: &str| layers::linear(&weights.pp(name), channels, channels);
        Ok(Self {
            norm: layers::group_norm(&weights.pp("group_norm"), groups, channels, EPS)?,
            to_q: linear("to_q")?,
            to_k: linear("to_k")?,
            to_v: linear("to_v")?,
            to_out: linear("to_out.0")?,
        })
    }

    /// [batch, channels, h, w] → the same.
    fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let h = self.norm.forward(x)?.flatten_from(2)?.transpose(1, 2)?.contiguous()?; // [batch, h·w, channels]
        let (q, k, v) = (self.to_q.forward(&h)?, self.to_k.forward(&h)?, self.to_v.forward(&h)?);
        let h = self.to_out.forward(&attention(&q, &k, &v, 1, false)?)?;
        add_scaled(x, &h.transpose(1, 2)?.reshape((batch, channels, height, width))?, 1.0)
    }
}

/// Views for the layers of the mid attention that carry the names of the first checkpoints, which diffusers renames
/// too, or whose weights are 1×1 convolutions.
fn with_new_names(weights: &Weights, channels: usize) -> Result<Weights> {
    const NAMES: [[(&str, &str); 2]; 4] = [
        [("to_q.weight", "query.weight"), ("to_q.bias", "query.bias")],
        [("to_k.weight", "key.weight"), ("to_k.bias", "key.bias")],
        [("to_v.weight", "value.weight"), ("to_v.bias", "value.bias")],
        [("to_out.0.weight", "proj_attn.weight"), ("to_out.0.bias", "proj_attn.bias")],
    ];
    let mut views = Vec::new();
    for [(weight, old_weight), (bias, old_bias)] in NAMES {
        let renamed = !weights.contains(weight);
        let stored = if renamed { old_weight } else { weight };
        if renamed {
            views.push((bias, View::of(old_bias)));
        }
        match weights.shape(stored)?[..] {
            [rows, columns, 1, 1] if [rows, columns] == [channels, channels] => {
                views.push((weight, View::of(stored).reshaped([channels, channels])));
            }
            _ if renamed => views.push((weight, View::of(stored))),
            _ => {}
        }
    }
    weights.with_views(views)
}

/// `Err` is the reason why this config does not make a decoder.
fn check(config: &VaeConfig) -> Result<(), String> {
    let groups = config.norm_num_groups;
    let widths = &config.block_out_channels;
    if widths.is_empty() || widths.len() > 8 || config.layers_per_block > 16 {
        return Err(format!("{} levels of {} layers are not supported", widths.len(), config.layers_per_block));
    }
    if let Some(width) = widths.iter().find(|&&width| width == 0 || groups == 0 || !width.is_multiple_of(groups)) {
        return Err(format!("{width} channels do not divide into {groups} groups"));
    }
    if config.out_channels != 3 {
        return Err(format!("out_channels is {}, but a picture has 3", config.out_channels));
    }
    if config.act_fn != Activation::Silu {
        return Err("only the activation silu is supported".to_owned());
    }
    if !config.scaling_factor.is_normal() {
        return Err(format!("scaling_factor is {}, which cannot scale latents", config.scaling_factor));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
