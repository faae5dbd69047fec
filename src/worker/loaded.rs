//! The model in memory.

use tracing::{debug, debug_span};

use super::interruption::Interruption;
use super::model::{Ingredients, NamedModel};
use super::observe::SeedObserver;
use super::state::WorkerEvent;
use crate::diffusion;
use crate::diffusion::compute::Compute;
use crate::diffusion::observer::Observer;
use crate::diffusion::pipeline::{Generated, Pipeline, Request};
use crate::diffusion::snapshot::Snapshot;
use crate::imaging::provenance::Ingredient;
use crate::store::queue::ResumePoint;
use crate::studio::recipe::{Model, ModelHashes};
use crate::studio::settings::Sampler;

/// A model in memory, and the names and hashes of its files.
pub(super) struct LoadedModel {
    pub model: Model,
    pub pipeline: Pipeline,
    pub ingredients: Ingredients,
    /// The sampler that the checkpoint names.
    pub sampler: Sampler,
}

impl LoadedModel {
    /// Loads a model and hashes its files at the same time.
    pub fn load(
        model: &Model,
        named: &NamedModel,
        compute: &Compute,
        observer: &mut SeedObserver<'_>,
    ) -> Result<Self, Interruption> {
        let _span = debug_span!("load").entered();
        let hashes = named.start_hashing();
        let pipeline = Pipeline::load(&named.model, compute, observer).map_err(|error| interrupted(error, observer))?;
        debug!("weights loaded");
        let ingredients = named.ingredients(hashes)?;
        debug!("files hashed");
        Ok(Self { model: model.clone(), pipeline, ingredients, sampler: named.checkpoint_sampler()? })
    }

    pub fn has_adapter(&self) -> bool {
        self.ingredients.adapter.is_some()
    }

    /// The hashes of the files that a run uses. Without a reference it does not use the adapter.
    pub fn hashes(&self, with_reference: bool) -> Result<ModelHashes, Interruption> {
        let Ingredients { model, adapter, image_encoder } = &self.ingredients;
        let parse = |hex: &str| {
            blake3::Hash::from_hex(hex)
                .map_err(|error| Interruption::Failed(format!("invalid hash {hex:?} of a model file: {error}")))
        };
        let optional = |part: &Option<Ingredient>| {
            part.as_ref().filter(|_| with_reference).map(|part| parse(&part.hash)).transpose()
        };
        Ok(ModelHashes {
            checkpoint: Some(parse(&model.hash)?),
            adapter: optional(adapter)?,
            image_encoder: optional(image_encoder)?,
        })
    }

    /// Generates the picture of one seed, from the resume point if it is usable.
    pub fn generate(
        &self,
        request: &Request,
        resume: Option<&ResumePoint>,
        observer: &mut SeedObserver<'_>,
    ) -> Result<Generated, Interruption> {
        if let Some(point) = resume {
            let resumed = Snapshot::from_bytes(&point.data, &observer.key)
                .and_then(|snapshot| self.pipeline.resume(request, snapshot, observer as &mut dyn Observer));
            match resumed {
                Err(diffusion::Error::BadSnapshot { reason }) => {
                    debug!(step = point.step, %reason, "resume point not used");
                    let text = format!("the resume point is not usable, so the seed starts again: {reason}");
                    observer.shared.send(WorkerEvent::Note { task: observer.claim.task.clone(), text });
                }
                resumed => return resumed.map_err(|error| interrupted(error, observer)),
            }
        }
        self.pipeline.generate(request, observer).map_err(|error| interrupted(error, observer))
    }
}

/// A cancelled pipeline stopped for the observer's reason.
fn interrupted(error: diffusion::Error, observer: &mut SeedObserver<'_>) -> Interruption {
    match error {
        diffusion::Error::Cancelled => observer.interruption.take().unwrap_or(Interruption::Stopped),
        error => error.into(),
    }
}
