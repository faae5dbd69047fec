//! What the UNet looks at while it denoises: text and image, as keys and values computed once a run.

use candle_core::Tensor;

use super::super::adapter::Adapter;
use super::super::{Error, Result};
use super::sites::{SiteIndex, Sites};
use crate::studio::settings::AdapterScale;

/// K and V of every cross-attention, of the text and, with a reference, of the image.
#[derive(Clone)]
pub struct Conditioning {
    sites: Vec<KeysAndValues>,
}

#[derive(Clone)]
struct KeysAndValues {
    /// [rows, tokens, width] each.
    text: (Tensor, Tensor),
    /// [rows, T, width] each.
    image: Option<(Tensor, Tensor)>,
}

/// The weight of the image branch in each cross-attention.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerScales {
    scales: Vec<f64>,
}

/// A conditioning with the scales of one step.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    conditioning: &'a Conditioning,
    scales: &'a LayerScales,
}

/// What one cross-attention looks at.
pub(super) struct SeenAt<'a> {
    pub text: (&'a Tensor, &'a Tensor),
    /// Keys, values and the weight of what they give; `None` where the weight is 0.
    pub image: Option<(&'a Tensor, &'a Tensor, f64)>,
}

impl Conditioning {
    pub(super) fn new(sites: &Sites, text: &Tensor, image: Option<(&Adapter, &Tensor)>) -> Result<Self> {
        let all = sites.iter().enumerate().map(|(index, site)| {
            let image = image.map(|(adapter, tokens)| {
                // `Adapter::fits` was asked when the adapter met the UNet.
                let (to_k, to_v) = adapter.layer(2 * index + 1).ok_or_else(|| Error::AdapterMismatch {
                    path: adapter.path().to_owned(),
                    reason: format!("it has no layer for {}", site.name),
                })?;
                Ok::<_, Error>((project(tokens, to_k)?, project(tokens, to_v)?))
            });
            Ok(KeysAndValues { text: (site.to_k.forward(text)?, site.to_v.forward(text)?), image: image.transpose()? })
        });
        Ok(Self { sites: all.collect::<Result<_>>()? })
    }

    /// Each row `count` times in a row: [negative, positive] becomes [negative × count, positive × count].
    pub fn repeat(&self, count: usize) -> Result<Self> {
        if count == 1 {
            return Ok(self.clone());
        }
        let both = |pair: &(Tensor, Tensor)| -> Result<_> { Ok((rows(&pair.0, count)?, rows(&pair.1, count)?)) };
        let sites = self.sites.iter().map(|site| {
            Ok(KeysAndValues { text: both(&site.text)?, image: site.image.as_ref().map(both).transpose()? })
        });
        Ok(Self { sites: sites.collect::<Result<_>>()? })
    }

    pub(super) fn seen_with<'a>(&'a self, scales: &'a LayerScales) -> Seen<'a> {
        Seen { conditioning: self, scales }
    }
}

impl LayerScales {
    /// The weights that a setting comes to in this UNet.
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

    /// The image branch off everywhere.
    pub fn off(sites: &Sites) -> Self {
        Self { scales: vec![0.0; sites.len()] }
    }
}

impl<'a> Seen<'a> {
    pub fn at(&self, index: SiteIndex) -> SeenAt<'a> {
        let site = &self.conditioning.sites[index.0];
        let scale = self.scales.scales[index.0];
        SeenAt {
            text: (&site.text.0, &site.text.1),
            image: site.image.as_ref().filter(|_| scale != 0.0).map(|(k, v)| (k, v, scale)),
        }
    }
}

/// tokens [rows, T, C] through a weight [width, C] → [rows, T, width].
fn project(tokens: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (rows, count, context) = tokens.dims3()?;
    let flat = tokens.reshape((rows * count, context))?.matmul(&weight.t()?)?;
    Ok(flat.reshape((rows, count, weight.dim(0)?))?)
}

/// [rows, n, width] → [rows·count, n, width], each row repeated in place.
fn rows(x: &Tensor, count: usize) -> Result<Tensor> {
    let (rows, n, width) = x.dims3()?;
    let repeated = x.unsqueeze(1)?.broadcast_as((rows, count, n, width))?.contiguous()?;
    Ok(repeated.reshape((rows * count, n, width))?)
}
