//! Pictures made and written: each as soon as it is there, with what it was made from.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::failure::{Stopped, Usage};
use super::model::Ingredients;
use super::progress::Progress;
use crate::diffusion;
use crate::diffusion::observer::{Event, Observer};
use crate::diffusion::pipeline::{Generated, Pipeline, Request};
use crate::imaging;
use crate::studio::settings::Sampler;
use crate::worker::provenance::Sources;

/// A loaded model and what records say of it.
pub struct Maker {
    pub pipeline: Pipeline,
    pub ingredients: Ingredients,
    /// The sampler for requests that name none.
    pub sampler: Sampler,
}

/// A picture that is on the disk.
pub struct Written {
    pub path: PathBuf,
    pub seed: u64,
    /// BLAKE3 of the file.
    pub hash: String,
}

impl Maker {
    /// Generates, and writes each seed's picture to its path. `reference_hash` is that of the reference's file.
    pub fn make(
        &self,
        request: &Request,
        reference_hash: Option<&str>,
        path_of: impl Fn(u64) -> PathBuf,
        progress: &mut Progress,
    ) -> anyhow::Result<(Vec<Written>, Generated)> {
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
        let mut written: Vec<Written> = Vec::with_capacity(request.seeds.len());
        let mut unwritten = None;
        let result = self.pipeline.generate(request, &mut |event: Event<'_>| {
            if let Event::Output { seed, picture } = &event {
                let provenance = sources.provenance(*seed, picture.dimensions());
                let path = path_of(*seed);
                match imaging::write_png(&path, picture, &provenance) {
                    Ok(hash) => written.push(Written { path, seed: *seed, hash }),
                    Err(error) => {
                        unwritten = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            progress.on(event)
        });
        match (unwritten, result) {
            (Some(error), _) => Err(error.into()),
            (None, Err(diffusion::Error::Cancelled)) => Err(stopped(written.len(), request.seeds.len()).into()),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(generated)) => Ok((written, generated)),
        }
    }
}

/// Finds out, before any work is spent, whether a picture can be written to a path. It is always a PNG.
pub fn check_picture_target(path: &Path) -> anyhow::Result<()> {
    let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    // A folder gets the sentence about folders.
    if !is_png && !path.is_dir() {
        let name = path.display();
        return Err(Usage(format!("pictures are written as PNG, and {name} does not end in .png")).into());
    }
    Ok(imaging::check_target(path)?)
}

/// The path of one of several pictures: `-SEED` before the extension.
pub fn with_seed(path: &Path, seed: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{seed}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn stopped(done: usize, of: usize) -> Stopped {
    Stopped(match done {
        0 => "stopped, and nothing was written".to_owned(),
        done => format!("stopped; {done} of {of} pictures are finished, and nothing half-made was left"),
    })
}
