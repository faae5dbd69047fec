//! The cross-attentions of a UNet: their names, numbers and text projections.

use std::fmt;

use crate::diffusion::ops::Linear;

/// Every cross-attention of a UNet, in the order of diffusers' attention processors: down blocks, up blocks, mid
/// block. Index i is number N = 2·i + 1 in an adapter's file, where even numbers are self-attentions.
#[derive(Default)]
pub struct Sites {
    all: Vec<Site>,
}

/// One cross-attention.
pub struct Site {
    /// Its name in the checkpoint, such as `down_blocks.0.attentions.1.transformer_blocks.0.attn2`.
    pub name: String,
    /// The width of its queries, keys and values.
    pub width: usize,
    /// The width of the text states that it reads.
    pub context: usize,
    pub(super) to_k: Linear,
    pub(super) to_v: Linear,
}

/// An index in [`Sites`].
#[derive(Clone, Copy, Debug)]
pub struct SiteIndex(pub(super) usize);

impl Sites {
    pub(super) fn add(&mut self, site: Site) -> SiteIndex {
        self.all.push(site);
        SiteIndex(self.all.len() - 1)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Site> {
        self.all.iter()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each cross-attention as the number N of its layer in an adapter, and its width.
    pub fn numbered_widths(&self) -> Vec<(usize, usize)> {
        self.all.iter().enumerate().map(|(index, site)| (2 * index + 1, site.width)).collect()
    }

    /// The width of the text states that all of them read; 0 if there are none.
    pub fn context(&self) -> usize {
        self.all.first().map_or(0, |site| site.context)
    }
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|site| &site.name)).finish()
    }
}
