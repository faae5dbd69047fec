//! UNet2DConditionModel with decoupled cross-attention (diffusers, `models/unets/unet_2d_condition.py`).

mod attention;
mod blocks;
mod conditioning;
mod plan;
mod probe;
mod sites;
mod time;

pub use conditioning::{Conditioning, LayerScales};
pub use probe::{Branch, Branches, ImageBranch, Probe, Tap};
pub use sites::Sites;

use candle_core::{DType, Tensor};

use self::blocks::{DownBlock, MidBlock, UpBlock};
use self::conditioning::StepConditioning;
use self::plan::Plan;
use self::time::TimeEmbedding;
use super::Result;
use super::adapter::Adapter;
use super::checkpoint::{UNetConfig, Weights};
use super::layers;
use super::ops::{self, Conv2d, GroupNorm};

/// Predicts what the sampler needs for a step, from noisy latents, a diffusion time, text and image.
pub struct UNet {
    conv_in: Conv2d,
    time: TimeEmbedding,
    down: Vec<DownBlock>,
    mid: Option<MidBlock>,
    up: Vec<UpBlock>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    sites: Sites,
    dtype: DType,
    config: UNetConfig,
}

impl UNet {
    /// Loads the weights that `config` describes, and checks their shapes. Refuses unsupported kinds of UNet by name.
    pub fn load(weights: &Weights, config: &UNetConfig) -> Result<Self> {
        let plan = Plan::new(config).map_err(|reason| weights.bad_config(reason))?;
        let first = plan.channels;
        let mut sites = Sites::default();
        // The adapter numbers the cross-attentions in this order, not in that of computation.
        let down = plan.down.iter().enumerate();
        let down = down.map(|(i, block)| DownBlock::load(weights, &format!("down_blocks.{i}"), block, &mut sites));
        let down = down.collect::<Result<_>>()?;
        let up = plan.up.iter().enumerate();
        let up = up.map(|(i, block)| UpBlock::load(weights, &format!("up_blocks.{i}"), block, &mut sites));
        let up = up.collect::<Result<_>>()?;
        let mid = plan.mid.as_ref().map(|block| MidBlock::load(weights, "mid_block", block, &mut sites)).transpose()?;
        let norm_out = weights.pp("conv_norm_out");
        Ok(Self {
            conv_in: layers::conv2d(&weights.pp("conv_in"), config.in_channels, first, 3, 1, 1)?,
            time: TimeEmbedding::load(&weights.pp("time_embedding"), config)?,
            down,
            mid,
            up,
            norm_out: layers::group_norm(&norm_out, config.norm_num_groups, first, config.norm_eps)?,
            conv_out: layers::conv2d(&weights.pp("conv_out"), first, config.out_channels, 3, 1, 1)?,
            sites,
            dtype: weights.dtype(),
            config: config.clone(),
        })
    }

    /// Computes the keys and values of every cross-attention, which are the same at every denoising step.
    ///
    /// text [rows, tokens, C]; image tokens [rows, T, C] with the adapter that made them. With guidance, the rows are
    /// \[negative, positive\].
    pub fn conditioning(&self, text: &Tensor, image: Option<(&Adapter, &Tensor)>) -> Result<Conditioning> {
        Conditioning::new(&self.sites, text, image)
    }

    /// Every cross-attention, in the order of the adapter's layer numbers.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// latents [rows, in, h, w], scaled for the sampler → the model's output [rows, out, h, w]. `tap` shows every
    /// cross-attention to a probe.
    pub fn forward(
        &self,
        latents: &Tensor,
        timestep: f64,
        conditioning: &Conditioning,
        scales: &LayerScales,
        tap: Option<Tap<'_>>,
    ) -> Result<Tensor> {
        let step = StepConditioning { conditioning, scales, tap };
        ops::on_workers(latents.device(), || self.compute(latents, timestep, &step))
    }

    fn compute(&self, latents: &Tensor, timestep: f64, step: &StepConditioning<'_>) -> Result<Tensor> {
        let latents = latents.to_dtype(self.dtype)?;
        let time = self.time.forward(timestep, self.dtype, latents.device())?; // [1, width]

        let mut x = self.conv_in.forward(&latents)?;
        let mut skips = vec![x.clone()];
        for block in &self.down {
            x = block.forward(&x, &time, step, &mut skips)?;
        }
        if let Some(mid) = &self.mid {
            x = mid.forward(&x, &time, step)?;
        }
        for block in &self.up {
            x = block.forward(&x, &time, step, &mut skips)?;
        }
        let x = self.norm_out.forward_silu(&x)?;
        Ok(self.conv_out.forward(&x)?)
    }

    /// The channels of the latents that it reads.
    pub fn in_channels(&self) -> usize {
        self.config.in_channels
    }
}
