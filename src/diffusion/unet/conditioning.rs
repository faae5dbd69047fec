//! What the UNet looks at while it denoises: keys and values of text and image, computed once for all steps.

use candle_core::Tensor;

use super::probe::{Branch, Tap};
use super::sites::{SiteIndex, Sites};
use crate::diffusion::adapter::Adapter;
use crate::diffusion::{Error, Result};
use crate::studio::settings::AdapterScale;

/// Keys and values of every cross-attention, for the text and, with a reference, for the image.
#[derive(Clone)]
pub struct Conditioning {
    sites: Vec<SiteKeys>,
}

#[derive(Clone)]
struct SiteKeys {
    text: KeysAndValues,
    image: Option<KeysAndValues>,
}

/// [rows, tokens, width] each.
#[derive(Clone)]
pub(super) struct KeysAndValues {
    pub keys: Tensor,
    pub values: Tensor,
}

/// The weight of the image branch in each cross-attention.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerScales {
    scales: Vec<f64>,
}

/// A conditioning with the scales and the tap of one step.
#[derive(Clone, Copy)]
pub(super) struct StepConditioning<'a> {
    pub conditioning: &'a Conditioning,
    pub scales: &'a LayerScales,
    pub tap: Option<Tap<'a>>,
}

/// What one cross-attention looks at.
pub(super) struct SiteConditioning<'a> {
    pub text: &'a KeysAndValues,
    /// The image's keys and values with the scale of their branch; `None` where the scale is 0.
    pub image: Option<(&'a KeysAndValues, f64)>,
    pub tap: Option<Tap<'a>>,
}

impl Conditioning {
    /// Projects text [rows, tokens, C] and image tokens [rows, T, C] for every cross-attention.
    pub(super) fn new(sites: &Sites, text: &Tensor, image: Option<(&Adapter, &Tensor)>) -> Result<Self> {
        let all = sites.iter().enumerate().map(|(index, site)| {
            let image = image.map(|(adapter, tokens)| {
                // `Adapter::fits` has checked this when the pipeline loaded.
                let (to_k, to_v) = adapter.layer(2 * index + 1).ok_or_else(|| Error::AdapterMismatch {
                    path: adapter.path().to_owned(),
                    reason: format!("it has no layer for {}", site.name),
                })?;
                Ok::<_, Error>(KeysAndValues { keys: project(tokens, to_k)?, values: project(tokens, to_v)? })
            });
            let text = KeysAndValues { keys: site.to_k.forward(text)?, values: site.to_v.forward(text)? };
            Ok(SiteKeys { text, image: image.transpose()? })
        });
        Ok(Self { sites: all.collect::<Result<_>>()? })
    }

    /// Repeats each row in place: [negative, positive] becomes [negative × count, positive × count].
    pub fn repeat(&self, count: usize) -> Result<Self> {
        if count == 1 {
            return Ok(self.clone());
        }
        let sites = self.sites.iter().map(|site| {
            let image = site.image.as_ref().map(|image| image.repeat(count)).transpose()?;
            Ok(SiteKeys { text: site.text.repeat(count)?, image })
        });
        Ok(Self { sites: sites.collect::<Result<_>>()? })
    }
}

impl KeysAndValues {
    /// As a probe sees them, with the attention to them.
    pub fn branch<'a>(&'a self, output: &'a Tensor) -> Branch<'a> {
        Branch { keys: &self.keys, values: &self.values, output }
    }

    fn repeat(&self, count: usize) -> Result<Self> {
        Ok(Self { keys: repeat_rows(&self.keys, count)?, values: repeat_rows(&self.values, count)? })
    }
}

impl LayerScales {
    /// The scale of each cross-attention of a UNet. A block's scale applies to all names below it; the longest matching
    /// name wins, and without a match the scale is 0.
    pub fn new(sites: &Sites, scale: &AdapterScale) -> Self {
        let at = |name: &str| match scale {
            AdapterScale::Uniform(scale) => *scale,
            AdapterScale::PerBlock(blocks) => blocks
                .iter()
                .filter(|(block, _)| name.strip_prefix(block.as_str()).is_some_and(|rest| rest.starts_with('.')))
                .max_by_key(|(block, _)| block.len())
                .map_or(0.0, |(_, scale)| *scale),
        };
        Self { scales: sites.iter().map(|site| at(&site.name)).collect() }
    }

    /// Scale 0 everywhere, which switches the image branch off.
    pub fn off(sites: &Sites) -> Self {
        Self { scales: vec![0.0; sites.len()] }
    }
}

impl<'a> StepConditioning<'a> {
    pub fn at(&self, index: SiteIndex) -> SiteConditioning<'a> {
        let site = &self.conditioning.sites[index.0];
        let scale = self.scales.scales[index.0];
        let image = site.image.as_ref().filter(|_| scale != 0.0).map(|image| (image, scale));
        SiteConditioning { text: &site.text, image, tap: self.tap }
    }
}

/// tokens [rows, T, C] through a weight [width, C] → [rows, T, width].
fn project(tokens: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (rows, count, context) = tokens.dims3()?;
    let flat = tokens.reshape((rows * count, context))?.matmul(&weight.t()?)?;
    Ok(flat.reshape((rows, count, weight.dim(0)?))?)
}

/// [rows, n, width] → [rows·count, n, width].
fn repeat_rows(x: &Tensor, count: usize) -> Result<Tensor> {
    let (rows, n, width) = x.dims3()?;
    let repeated = x.unsqueeze(1)?.broadcast_as((rows, count, n, width))?.contiguous()?;
    Ok(repeated.reshape((rows * count, n, width))?)
}
