//! The levels of the UNet (diffusers, `models/unets/unet_2d_blocks.py`).

use candle_core::Tensor;

use super::attention::SpatialTransformer;
use super::conditioning::StepConditioning;
use super::plan::LevelPlan;
use super::sites::Sites;
use crate::diffusion::checkpoint::Weights;
use crate::diffusion::resnet::{Downsample, ResnetBlock, Upsample};
use crate::diffusion::{Error, Result};

/// Residual blocks and transformers in turn, then downsampling by 2. Keeps every result as a skip for the up blocks.
pub struct DownBlock {
    layers: Vec<Layer>,
    downsample: Option<Downsample>,
}

/// A residual block, a transformer, a residual block.
pub struct MidBlock {
    first: ResnetBlock,
    transformer: Option<SpatialTransformer>,
    last: ResnetBlock,
}

/// Residual blocks and transformers in turn, each residual block with a skip from the down blocks, then upsampling by 2.
pub struct UpBlock {
    layers: Vec<Layer>,
    upsample: Option<Upsample>,
}

struct Layer {
    resnet: ResnetBlock,
    transformer: Option<SpatialTransformer>,
}

impl DownBlock {
    pub fn load(weights: &Weights, name: &str, plan: &LevelPlan, sites: &mut Sites) -> Result<Self> {
        let channels = plan.resnets.last().map_or(0, |resnet| resnet.1);
        let downsample = || Downsample::load(&weights.pp(format!("{name}.downsamplers.0")), channels);
        Ok(Self {
            layers: load_layers(weights, name, plan, sites)?,
            downsample: plan.resamples.then(downsample).transpose()?,
        })
    }

    pub fn forward(
        &self,
        x: &Tensor,
        time: &Tensor,
        step: &StepConditioning<'_>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward(&x, time, step)?;
            skips.push(x.clone());
        }
        if let Some(downsample) = &self.downsample {
            x = downsample.forward(&x)?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

impl MidBlock {
    pub fn load(weights: &Weights, name: &str, plan: &LevelPlan, sites: &mut Sites) -> Result<Self> {
        let here = weights.pp(name);
        let resnet = |i: usize| {
            let (inputs, outputs) = plan.resnets[i];
            ResnetBlock::load(&here.pp(format!("resnets.{i}")), inputs, outputs, plan.resnet)
        };
        let transformer = plan
            .transformer
            .map(|shape| SpatialTransformer::load(weights, &format!("{name}.attentions.0"), shape, sites));
        Ok(Self { first: resnet(0)?, transformer: transformer.transpose()?, last: resnet(1)? })
    }

    pub fn forward(&self, x: &Tensor, time: &Tensor, step: &StepConditioning<'_>) -> Result<Tensor> {
        let mut x = self.first.forward(x, Some(time))?;
        if let Some(transformer) = &self.transformer {
            x = transformer.forward(&x, step)?;
        }
        Ok(self.last.forward(&x, Some(time))?)
    }
}

impl UpBlock {
    pub fn load(weights: &Weights, name: &str, plan: &LevelPlan, sites: &mut Sites) -> Result<Self> {
        let channels = plan.resnets.last().map_or(0, |resnet| resnet.1);
        let upsample = || Upsample::load(&weights.pp(format!("{name}.upsamplers.0")), channels);
        Ok(Self {
            layers: load_layers(weights, name, plan, sites)?,
            upsample: plan.resamples.then(upsample).transpose()?,
        })
    }

    pub fn forward(
        &self,
        x: &Tensor,
        time: &Tensor,
        step: &StepConditioning<'_>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            // The plan makes as many skips as up layers.
            let skip = skips.pop().ok_or_else(|| Error::Tensor(candle_core::Error::Msg("a skip is missing".into())))?;
            x = layer.forward(&Tensor::cat(&[&x, &skip], 1)?, time, step)?;
        }
        if let Some(upsample) = &self.upsample {
            // The next skip has this size. It is not exactly twice this map's if downsampling halved an odd side.
            let (height, width) = match skips.last() {
                Some(skip) => (skip.dim(2)?, skip.dim(3)?),
                None => (2 * x.dim(2)?, 2 * x.dim(3)?),
            };
            x = upsample.forward(&x, height, width)?;
        }
        Ok(x)
    }
}

impl Layer {
    fn forward(&self, x: &Tensor, time: &Tensor, step: &StepConditioning<'_>) -> Result<Tensor> {
        let x = self.resnet.forward(x, Some(time))?;
        match &self.transformer {
            Some(transformer) => transformer.forward(&x, step),
            None => Ok(x),
        }
    }
}

fn load_layers(weights: &Weights, name: &str, plan: &LevelPlan, sites: &mut Sites) -> Result<Vec<Layer>> {
    let layer = |(i, &(inputs, outputs)): (usize, &(usize, usize))| {
        let resnet = weights.pp(format!("{name}.resnets.{i}"));
        let transformer = plan
            .transformer
            .map(|shape| SpatialTransformer::load(weights, &format!("{name}.attentions.{i}"), shape, &mut *sites));
        Ok(Layer {
            resnet: ResnetBlock::load(&resnet, inputs, outputs, plan.resnet)?,
            transformer: transformer.transpose()?,
        })
    };
    plan.resnets.iter().enumerate().map(layer).collect()
}
