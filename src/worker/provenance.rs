//! What a generated picture says about itself, for the worker's runs and for `generate`.

use super::model::Ingredients;
use crate::diffusion::compute::Compute;
use crate::imaging::Provenance;
use crate::imaging::provenance::{Generation, Origin};
use crate::studio::settings::{Sampler, Settings};

/// What all pictures of one generation share.
pub struct Sources<'a> {
    pub prompt: &'a str,
    pub negative: &'a str,
    pub settings: &'a Settings,
    /// The sampler that runs if the settings name none.
    pub default_sampler: Sampler,
    pub model: &'a Ingredients,
    /// The hash of the reference's file. Without a reference, the adapter is not used and not recorded.
    pub reference: Option<&'a str>,
    pub compute: &'a Compute,
    /// `None` outside a project.
    pub origin: Option<Origin<'a>>,
}

impl Sources<'_> {
    /// The provenance of one seed's picture of this width and height in pixels.
    pub fn provenance(&self, seed: u64, (width, height): (u32, u32)) -> Provenance {
        let with_reference = self.reference.is_some();
        Provenance::of(&Generation {
            prompt: self.prompt,
            negative: self.negative,
            seed,
            settings: self.settings,
            sampler: self.settings.sampler.unwrap_or(self.default_sampler),
            width,
            height,
            model: &self.model.model,
            adapter: self.model.adapter.as_ref().filter(|_| with_reference),
            image_encoder: self.model.image_encoder.as_ref().filter(|_| with_reference),
            reference: self.reference,
            device: self.compute.device_name(),
            dtype: self.compute.dtype_name(),
            origin: self.origin,
        })
    }
}
