//! Shows both branches of every cross-attention to a trace while the UNet computes.

use candle_core::Tensor;

use crate::diffusion::Result;

/// Receives the branches of cross-attentions. Without a probe, nothing is computed or allocated for it.
///
/// It is called on the thread that computes, between two operations, so it should copy little.
pub trait Probe: Sync {
    /// Whether to trace this step of a generation, counted from 1 to `of`.
    fn wants(&self, step: usize, of: usize) -> bool;

    /// Receives one cross-attention at one step. An error ends the generation.
    fn cross_attention(&self, branches: &Branches<'_>) -> Result<()>;
}

/// A probe at one evaluation of the UNet.
#[derive(Clone, Copy)]
pub struct Tap<'a> {
    pub probe: &'a dyn Probe,
    /// The denoising step, from 1.
    pub step: usize,
}

/// What one cross-attention computed, before its output projection. With guidance the rows are
/// [negative × seeds, positive × seeds], otherwise [positive × seeds].
pub struct Branches<'a> {
    /// The cross-attention's name, such as `down_blocks.0.attentions.1.transformer_blocks.0.attn2`.
    pub site: &'a str,
    /// The denoising step, from 1.
    pub step: usize,
    pub heads: usize,
    /// [rows, pixels, width].
    pub queries: &'a Tensor,
    pub text: Branch<'a>,
    /// `None` without a reference, outside the adapter's steps, and where the adapter scale is 0.
    pub image: Option<ImageBranch<'a>>,
    /// text + scale · image, [rows, pixels, width].
    pub sum: &'a Tensor,
}

/// The attention of the queries to one kind of tokens.
#[derive(Clone, Copy)]
pub struct Branch<'a> {
    /// [rows, tokens, width].
    pub keys: &'a Tensor,
    /// [rows, tokens, width].
    pub values: &'a Tensor,
    /// softmax(queries · keysᵀ / √d) · values, [rows, pixels, width].
    pub output: &'a Tensor,
}

/// The attention to image tokens, not yet scaled.
#[derive(Clone, Copy)]
pub struct ImageBranch<'a> {
    pub branch: Branch<'a>,
    /// The adapter scale at this cross-attention.
    pub scale: f64,
}

#[cfg(test)]
mod tests;
