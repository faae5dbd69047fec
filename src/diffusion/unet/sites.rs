//! The cross-attentions of a UNet: their numbers, names and the weights that text passes through.

use std::fmt;

use super::super::ops::Linear;

/// Every cross-attention of a UNet, in the order of diffusers' attention processors: down blocks, up blocks, mid
/// block. Position i here is number N = 2·i + 1 in an adapter's file (even numbers are self-attentions).
#[derive(Default)]
pub struct Sites {
    all: Vec<Site>,
}

/// One cross-attention.
pub struct Site {
    /// As in the checkpoint: `down_blocks.0.attentions.1.transformer_blocks.0.attn2`.
    pub name: String,
    /// The width of its queries.
    pub width: usize,
    /// The width of the states it reads.
    pub context: usize,
    pub(super) to_k: Linear,
    pub(super) to_v: Linear,
}

/// A place in [`Sites`].
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

    /// The adapter's number N and the width of each.
    pub fn numbered_widths(&self) -> Vec<(usize, usize)> {
        self.all.iter().enumerate().map(|(index, site)| (2 * index + 1, site.width)).collect()
    }

    /// The width of the text states that all of them read; 0 when there is none.
    pub fn context(&self) -> usize {
        self.all.first().map_or(0, |site| site.context)
    }
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|site| &site.name)).finish()
    }
}
