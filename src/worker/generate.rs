//! Generates one run, from its claim to its last picture.

use std::time::Instant;

use image::RgbImage;
use jiff::Timestamp;
use tracing::{debug, debug_span};

use super::heartbeat::LeaseKeeper;
use super::interruption::Interruption;
use super::loaded::LoadedModel;
use super::model;
use super::observe::SeedObserver;
use super::output::RunOutputs;
use super::retry::retry_while_busy;
use super::shared::Shared;
use crate::diffusion::compute::Compute;
use crate::diffusion::pipeline::Request;
use crate::diffusion::{self, memory};
use crate::imaging;
use crate::store::queue::{Claimed, Finish};
use crate::store::{self, Reader, Store};
use crate::studio::output_key::output_key;
use crate::studio::recipe::Recipe;
use crate::studio::run::{Run, Timings};
use crate::studio::subject::TaskId;

/// Generates runs, and keeps the model of the last one in memory.
pub(super) struct Generator<'a> {
    pub store: &'a Store,
    pub reader: &'a Reader,
    pub shared: &'a Shared,
    pub leases: &'a LeaseKeeper<'a>,
    pub compute: &'a Compute,
    loaded: Option<LoadedModel>,
    /// A picture that could not be stored for lack of space, with the key of its output.
    unsaved: Option<(blake3::Hash, RgbImage)>,
}

/// The reference of a run: its picture, and the hash of its file.
struct Reference {
    picture: RgbImage,
    hash: blake3::Hash,
}

impl<'a> Generator<'a> {
    pub fn new(
        store: &'a Store,
        reader: &'a Reader,
        shared: &'a Shared,
        leases: &'a LeaseKeeper<'a>,
        compute: &'a Compute,
    ) -> Self {
        Self { store, reader, shared, leases, compute, loaded: None, unsaved: None }
    }

    /// Generates every picture that a run still needs, and stores each as soon as it is done.
    pub fn generate(&mut self, claimed: &Claimed) -> Result<Finish, Interruption> {
        let began = Instant::now();
        memory::reset_peak();
        let Claimed { claim, run, done, resume } = claimed;
        let recipe = &run.recipe;
        let reference = self.reference(recipe)?;
        let parent = self.parent(run)?;
        let seed_count = run.seeds.as_slice().len();
        let mut observer = SeedObserver::new(self.store, self.shared, self.leases, claim, seed_count);
        observer.done = done.len();

        let load_s = self.load(recipe, reference.is_some(), &mut observer)?;
        let Some(loaded) = &self.loaded else { return Err(Interruption::Failed("no model is loaded".to_owned())) };
        let hashes = loaded.hashes(reference.is_some())?;
        if hashes != run.hashes {
            if !done.is_empty() {
                return Err(Interruption::Failed(format!(
                    "the files of {} have changed since the first pictures of this run: queue a new run",
                    recipe.model.checkpoint
                )));
            }
            self.store.set_model_hashes(claim, &hashes)?;
        }

        let outputs = RunOutputs {
            run,
            parent: parent.as_ref(),
            reference: reference.as_ref().map(|reference| &reference.hash),
            ingredients: &loaded.ingredients,
            sampler: loaded.sampler,
            compute: self.compute,
        };
        let environment = environment(self.compute);
        let mut request = Request {
            prompt: recipe.prompt.assembled(),
            negative: recipe.prompt.negative().to_owned(),
            reference: reference.as_ref().map(|reference| reference.picture.clone()),
            seeds: Vec::new(),
            batch: 1,
            settings: recipe.settings.clone(),
        };
        let mut timings = Timings { load_s, ..Timings::default() };
        let mut resume = resume.as_ref();
        for &seed in run.seeds.as_slice().iter().filter(|seed| !done.contains(seed)) {
            let _span = debug_span!("seed", seed).entered();
            if let Some(interruption) = observer.requested_interruption() {
                return Err(interruption);
            }
            let key = output_key(recipe, outputs.reference, &hashes, &environment, seed);
            observer.key = key;
            let unsaved = self.unsaved.take().filter(|(of, _)| *of == key).map(|(_, picture)| picture);
            let known = unsaved.map_or_else(|| self.stored(&key), |picture| Ok(Some(picture)))?;
            let picture = match known {
                Some(picture) => {
                    debug!("the picture is known");
                    // A resume point that was saved for it is of no use to the next seed.
                    resume = None;
                    picture
                }
                None => {
                    request.seeds = vec![seed];
                    // Seeds are generated in order, so the resume point belongs to the first missing one.
                    let generated = loaded.generate(&request, resume.take(), &mut observer)?;
                    timings.encode_s += generated.timings.encode_s;
                    timings.denoise_s += generated.timings.step_s.iter().sum::<f64>();
                    timings.decode_s += generated.timings.decode_s;
                    // One seed gives one picture.
                    generated.outputs.into_iter().next().map(|output| output.picture).ok_or(Interruption::Lost)?
                }
            };
            let store_span = debug_span!("store").entered();
            let output = outputs.output(seed, key, &picture)?;
            let stored = retry_while_busy(|| self.store.add_output(claim, &output, Timestamp::now()));
            if let Err(store::Error::DiskFull { .. }) = &stored {
                self.unsaved = Some((key, picture));
            }
            stored?;
            observer.done += 1;
            debug!(bytes = output.picture.bytes.len(), "picture stored");
            store_span.exit();
        }
        let known = timings.load_s + timings.encode_s + timings.denoise_s + timings.decode_s;
        timings.other_s = (began.elapsed().as_secs_f64() - known).max(0.0);
        Ok(Finish { timings, peak_memory: memory::peak() })
    }

    /// Drops what is cached of a run that was taken away: its reference may have been withdrawn.
    pub fn forget_run(&mut self) {
        self.unsaved = None;
        if let Some(loaded) = &self.loaded {
            loaded.pipeline.forget();
        }
    }

    /// Drops the model, which may be in a bad state after a failure.
    pub fn unload(&mut self) {
        self.loaded = None;
    }

    /// The reference of a run. Claiming the run has checked that it may be used.
    fn reference(&self, recipe: &Recipe) -> Result<Option<Reference>, Interruption> {
        let Some(id) = recipe.reference else { return Ok(None) };
        // Without a picture, it was withdrawn after the claim, and the run was cancelled with it.
        let hash = self.reader.reference_by_id(id)?.picture.ok_or(Interruption::Lost)?.blob;
        let bytes = self.reader.blobs().read(&hash)?;
        let picture = imaging::decode_picture(&self.reader.blobs().path(&hash), &bytes)?;
        Ok(Some(Reference { picture, hash }))
    }

    fn parent(&self, run: &Run) -> Result<Option<TaskId>, Interruption> {
        Ok(run.parent.map(|parent| self.reader.run_by_id(parent)).transpose()?.map(|parent| parent.task))
    }

    /// The picture of another run that was generated from exactly the same inputs, if its file is intact.
    fn stored(&self, key: &blake3::Hash) -> Result<Option<RgbImage>, Interruption> {
        let Some(output) = self.reader.output_with_key(key)? else { return Ok(None) };
        let blobs = self.reader.blobs();
        let bytes = blobs.read(&output.picture.blob).ok();
        Ok(bytes.and_then(|bytes| imaging::decode_picture(&blobs.path(&output.picture.blob), &bytes).ok()))
    }

    /// Loads the model of a run unless it is loaded already. Returns the seconds that it took.
    fn load(
        &mut self,
        recipe: &Recipe,
        with_reference: bool,
        observer: &mut SeedObserver<'_>,
    ) -> Result<f64, Interruption> {
        let model = &recipe.model;
        let fits = |loaded: &LoadedModel| loaded.model == *model && (loaded.has_adapter() || !with_reference);
        if self.loaded.as_ref().is_some_and(fits) {
            return Ok(0.0);
        }
        // Unloads first, because two models may not fit into memory.
        self.loaded = None;
        let began = Instant::now();
        let mut named = model::find(
            &model.checkpoint,
            model.adapter.as_deref().map(str::as_ref),
            model.image_encoder.as_deref().map(str::as_ref),
        )?;
        if !with_reference {
            named = named.without_adapter();
        } else if !named.model.has_adapter() {
            return Err(diffusion::Error::NoAdapter.into());
        }
        named.require_memory(self.compute, &recipe.settings, 1)?;
        self.loaded = Some(LoadedModel::load(model, &named, self.compute, observer)?);
        let seconds = began.elapsed().as_secs_f64();
        debug!(seconds, "model loaded");
        Ok(seconds)
    }
}

/// What determines the exact pixels apart from the run: the program's version, the device and the number format.
fn environment(compute: &Compute) -> String {
    format!("pentimento {} {} {}", env!("CARGO_PKG_VERSION"), compute.device_name(), compute.dtype_name())
}
