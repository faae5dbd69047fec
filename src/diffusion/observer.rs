//! Observes the progress of a generation, and can stop it.

use std::ops::ControlFlow;

use image::RgbImage;

use super::Result;
use super::snapshot::Snapshot;

/// An event of a loading or generating pipeline.
pub enum Event<'a> {
    /// A component is about to load: number `index` of `total`, by its folder's name.
    Loading { component: &'a str, index: usize, total: usize },
    /// Something about the model's files that the user should know. Each note is reported once per load.
    Note { text: &'a str },
    /// The text encoder ignores the end of a prompt that is too long.
    PromptTruncated { dropped: &'a str },
    /// Prompts and reference are about to be encoded.
    Encoding,
    /// A denoising step is finished.
    Step(Step<'a>),
    /// The latents of `seed` are about to be decoded.
    Decoding { seed: u64 },
    /// One seed's picture is finished.
    Output { seed: u64, picture: &'a RgbImage },
}

/// A finished denoising step.
pub struct Step<'a> {
    /// Its number, from 1 to `of`.
    pub index: usize,
    pub of: usize,
    /// Its diffusion time, from `num_train_timesteps` − 1 down to 0.
    pub timestep: f64,
    /// The seeds of this batch, in order.
    pub seeds: &'a [u64],
    /// Makes a small picture for each seed from the result that the latents predict at this step. Costs little, and
    /// nothing unless called.
    pub preview: &'a dyn Fn() -> Vec<RgbImage>,
    /// Takes a snapshot, from which [`Pipeline::resume`](super::pipeline::Pipeline::resume) makes the same pictures.
    /// Costs little, and nothing unless called.
    pub snapshot: &'a dyn Fn() -> Result<Snapshot>,
}

/// Receives the events of a pipeline.
pub trait Observer {
    /// Receives an event. `Break` stops the pipeline with [`Error::Cancelled`](super::Error::Cancelled).
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()>;
}

/// Ignores all events.
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
