//! Turns a generated picture into a file with provenance, and makes its thumbnail.

use image::RgbImage;
use serde_json::json;

use super::model::Ingredients;
use super::provenance::Sources;
use crate::diffusion::compute::Compute;
use crate::imaging::provenance::Origin;
use crate::imaging::{self, Provenance};
use crate::store::blobs::Content;
use crate::store::outputs::NewOutput;
use crate::studio::run::Run;
use crate::studio::settings::Sampler;
use crate::studio::subject::TaskId;

/// What all pictures of one run share.
pub(super) struct RunOutputs<'a> {
    pub run: &'a Run,
    pub parent: Option<&'a TaskId>,
    pub reference: Option<&'a blake3::Hash>,
    pub ingredients: &'a Ingredients,
    pub sampler: Sampler,
    pub compute: &'a Compute,
}

impl RunOutputs<'_> {
    /// The output of one seed, ready to be stored.
    pub fn output(&self, seed: u64, key: blake3::Hash, picture: &RgbImage) -> imaging::Result<NewOutput> {
        let (width, height) = picture.dimensions();
        Ok(NewOutput {
            seed,
            key,
            picture: png(picture, &self.provenance(seed, (width, height)))?,
            thumbnail: thumbnail(picture)?,
            latents: None,
            width,
            height,
            measures: None,
        })
    }

    fn provenance(&self, seed: u64, size: (u32, u32)) -> Provenance {
        let recipe = &self.run.recipe;
        let reference = self.reference.map(|hash| hash.to_hex().to_string());
        let sources = Sources {
            prompt: &recipe.prompt.assembled(),
            negative: recipe.prompt.negative(),
            settings: &recipe.settings,
            default_sampler: self.sampler,
            model: self.ingredients,
            reference: reference.as_deref(),
            compute: self.compute,
            origin: Some(Origin { task: &self.run.task, parent: self.parent, prompt: &recipe.prompt }),
        };
        sources.provenance(seed, size)
    }
}

/// Encodes a preview or a thumbnail, with the mark that it is AI-generated and no other provenance.
pub(super) fn marked_png(picture: &RgbImage) -> imaging::Result<Content> {
    png(picture, &Provenance::composed(json!({})))
}

/// The thumbnail; `None` if the picture is not larger than a thumbnail.
fn thumbnail(picture: &RgbImage) -> imaging::Result<Option<Content>> {
    let small = imaging::thumbnail(picture);
    if small.dimensions() == picture.dimensions() { Ok(None) } else { marked_png(&small).map(Some) }
}

fn png(picture: &RgbImage, provenance: &Provenance) -> imaging::Result<Content> {
    Ok(Content { bytes: imaging::encode_png(picture, provenance)?, media_type: "image/png" })
}
