//! Generates pictures and writes each to its file as soon as it is finished, with its provenance.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::failure::{INTERRUPTED, Interrupted};
use super::output::progress::Progress;
use crate::diffusion;
use crate::diffusion::observer::{Event, Observer};
use crate::diffusion::pipeline::{Generated, Pipeline, Request};
use crate::imaging;
use crate::studio::settings::Sampler;
use crate::worker::model::Ingredients;
use crate::worker::provenance::Sources;

/// A loaded model, and what provenance records about it.
pub struct Generator {
    pub pipeline: Pipeline,
    pub ingredients: Ingredients,
    /// The sampler of requests that name none.
    pub sampler: Sampler,
}

/// A picture file.
#[derive(Clone)]
pub struct SavedPicture {
    pub path: PathBuf,
    pub seed: u64,
    /// The file's BLAKE3 hash.
    pub hash: String,
}

impl Generator {
    /// Generates, and writes each seed's picture to its path. `reference_hash` is the hash of the reference's file.
    pub fn run(
        &self,
        request: &Request,
        reference_hash: Option<&str>,
        path_of: impl Fn(u64) -> PathBuf,
        progress: &mut Progress,
    ) -> anyhow::Result<(Vec<SavedPicture>, Generated)> {
        let sources = Sources {
            prompt: &request.prompt,
            negative: &request.negative,
            settings: &request.settings,
            default_sampler: self.sampler,
            model: &self.ingredients,
            reference: reference_hash,
            compute: self.pipeline.compute(),
            origin: None,
        };
        let mut saved: Vec<SavedPicture> = Vec::with_capacity(request.seeds.len());
        let mut write_error = None;
        let result = self.pipeline.generate(request, &mut |event: Event<'_>| {
            if let Event::Output { seed, picture } = &event {
                let provenance = sources.provenance(*seed, picture.dimensions());
                let path = path_of(*seed);
                match imaging::write_png(&path, picture, &provenance) {
                    Ok(hash) => saved.push(SavedPicture { path, seed: *seed, hash }),
                    Err(error) => {
                        write_error = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            progress.on(event)
        });
        match (write_error, result) {
            (Some(error), _) => Err(error.into()),
            (None, Err(diffusion::Error::Cancelled)) => Err(interrupted(saved.len(), request.seeds.len()).into()),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(generated)) => Ok((saved, generated)),
        }
    }
}

fn interrupted(done: usize, of: usize) -> Interrupted {
    let text = match done {
        0 => "stopped before the first picture was finished".to_owned(),
        done => format!("stopped: {done} of {of} pictures are finished"),
    };
    Interrupted { status: INTERRUPTED, text }
}
