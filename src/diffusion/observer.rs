//! Watching a generation from outside, and stopping it.

use std::ops::ControlFlow;

use image::RgbImage;

use super::Result;
use super::snapshot::Snapshot;

/// What a pipeline tells while it works.
pub enum Event<'a> {
    /// A component is about to be loaded: `index` of `total`, by its folder's name.
    Loading { component: &'a str, index: usize, total: usize },
    /// The prompt did not fit the text encoder; this is what fell off.
    PromptTruncated { dropped: &'a str },
    /// Text and reference are about to be encoded.
    Encoding,
    /// A denoising step is done.
    Step(Step<'a>),
    /// The latents of `seed` are about to be decoded.
    Decoding { seed: u64 },
    /// One seed's picture is there.
    Output { seed: u64, picture: &'a RgbImage },
}

/// One denoising step that is done.
pub struct Step<'a> {
    /// From 1 to `of`.
    pub index: usize,
    pub of: usize,
    /// The diffusion time just denoised, from `num_train_timesteps` − 1 down to 0.
    pub timestep: f64,
    /// The seeds of this batch, in order.
    pub seeds: &'a [u64],
    /// Makes a small picture, one per seed, from what the latents promise at this step; costs little, and nothing
    /// when it is not called.
    pub preview: &'a dyn Fn() -> Vec<RgbImage>,
    /// The state after this step, from which [`Pipeline::resume`](super::pipeline::Pipeline::resume) goes on to the
    /// same pictures; costs little, and nothing when it is not called.
    pub snapshot: &'a dyn Fn() -> Result<Snapshot>,
}

/// Whoever wants to see a generation's progress. `Break` stops it at this point with
/// [`Error::Cancelled`](super::Error::Cancelled).
pub trait Observer {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()>;
}

/// Sees nothing, stops nothing.
pub struct Unobserved;

impl Observer for Unobserved {
    fn on(&mut self, _: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(Event<'_>) -> ControlFlow<()>> Observer for F {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}
