//! One run from its claim to its last picture.

use std::time::Instant;

use image::RgbImage;
use jiff::Timestamp;

use super::handle::{News, Shared};
use super::model::{self, Ingredients, Named};
use super::output::Origins;
use super::pulse::Pulse;
use super::watch::Watch;
use crate::diffusion::compute::Compute;
use crate::diffusion::observer::Observer;
use crate::diffusion::pipeline::{Generated, Pipeline, Request};
use crate::diffusion::snapshot::Snapshot;
use crate::diffusion::{self, memory};
use crate::imaging;
use crate::store::queue::{Claimed, Finish, ResumePoint};
use crate::store::{self, Reader, Store};
use crate::studio::output_key::output_key;
use crate::studio::recipe::{Model, ModelHashes, Recipe};
use crate::studio::run::{Run, Timings};
use crate::studio::settings::Sampler;
use crate::studio::subject::TaskId;

/// Why a run did not get all its pictures here.
#[derive(Debug)]
pub(super) enum Halt {
    /// A person wanted it so.
    Cancelled,
    /// The worker has to stop; the run goes on later.
    Stopped,
    /// The run is not this worker's any more.
    Lost,
    /// The disk is full; the run goes on when there is room.
    NoRoom,
    /// It cannot be done, and why.
    Failed(String),
    /// The project itself cannot be worked on.
    Fatal(store::Error),
}

/// Makes runs, and keeps the model of the last one loaded.
pub(super) struct Maker<'a> {
    pub store: &'a Store,
    pub reader: &'a Reader,
    pub shared: &'a Shared,
    pub pulse: &'a Pulse<'a>,
    pub compute: &'a Compute,
    loaded: Option<Loaded>,
}

/// A model in memory, and which it is.
struct Loaded {
    wanted: Model,
    pipeline: Pipeline,
    ingredients: Ingredients,
    /// The sampler that the checkpoint names.
    sampler: Sampler,
}

/// A run's reference: the picture, and the hash of its file.
struct Reference {
    picture: RgbImage,
    hash: blake3::Hash,
}

impl<'a> Maker<'a> {
    pub fn new(
        store: &'a Store,
        reader: &'a Reader,
        shared: &'a Shared,
        pulse: &'a Pulse<'a>,
        compute: &'a Compute,
    ) -> Self {
        Self { store, reader, shared, pulse, compute, loaded: None }
    }

    /// Makes every picture that a run still needs, and stores each the moment it is there.
    pub fn make(&mut self, claimed: &Claimed) -> Result<Finish, Halt> {
        let began = Instant::now();
        memory::reset_peak();
        let Claimed { claim, run, done, resume } = claimed;
        let recipe = &run.recipe;
        let reference = self.reference(recipe)?;
        let parent = self.parent(run)?;
        let mut watch = Watch::new(self.store, self.shared, self.pulse, claim, run.seeds.as_slice().len());
        watch.done = done.len();

        let load_s = self.load(recipe, reference.is_some(), &mut watch)?;
        let Some(loaded) = &self.loaded else { return Err(Halt::Failed("no model is loaded".to_owned())) };
        let hashes = loaded.hashes(reference.is_some())?;
        if hashes != run.hashes {
            if !done.is_empty() {
                return Err(Halt::Failed(format!(
                    "the files of {} have changed since the first pictures of this run were made; queue it as a new run",
                    recipe.model.checkpoint
                )));
            }
            self.store.set_model_hashes(claim, &hashes)?;
        }

        let origins = Origins {
            run,
            parent: parent.as_ref(),
            reference: reference.as_ref().map(|reference| &reference.hash),
            ingredients: &loaded.ingredients,
            sampler: loaded.sampler,
            compute: self.compute,
        };
        let computed = computed_by(self.compute);
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
            if let Some(halt) = watch.asked() {
                return Err(halt);
            }
            let key = output_key(recipe, origins.reference, &hashes, &computed, seed);
            watch.key = key;
            let picture = match self.stored(&key)? {
                Some(picture) => picture,
                None => {
                    request.seeds = vec![seed];
                    // Seeds are made in their order: what was saved belongs to the first that is missing.
                    let made = loaded.generate(&request, resume.take(), &mut watch)?;
                    timings.encode_s += made.timings.encode_s;
                    timings.denoise_s += made.timings.step_s.iter().sum::<f64>();
                    timings.decode_s += made.timings.decode_s;
                    // One seed makes one picture.
                    made.outputs.into_iter().next().map(|output| output.picture).ok_or(Halt::Lost)?
                }
            };
            let output = origins.output(seed, key, &picture)?;
            patiently(|| self.store.add_output(claim, &output, Timestamp::now()))?;
            watch.done += 1;
        }
        let known = timings.load_s + timings.encode_s + timings.denoise_s + timings.decode_s;
        timings.other_s = (began.elapsed().as_secs_f64() - known).max(0.0);
        Ok(Finish { timings, peak_memory: memory::peak() })
    }

    /// Lets go of what came from a run that was taken away: its reference may have been withdrawn.
    pub fn forget(&self) {
        if let Some(loaded) = &self.loaded {
            loaded.pipeline.forget();
        }
    }

    /// Gives up the model: after a failure nobody knows in what state it is.
    pub fn unload(&mut self) {
        self.loaded = None;
    }

    /// Claiming has asked the rules about it.
    fn reference(&self, recipe: &Recipe) -> Result<Option<Reference>, Halt> {
        let Some(id) = recipe.reference else { return Ok(None) };
        // Withdrawn a moment ago: the run was taken away with it.
        let hash = self.reader.reference_by_id(id)?.picture.ok_or(Halt::Lost)?.blob;
        let bytes = self.reader.blobs().read(&hash)?;
        let picture = imaging::decode_picture(&self.reader.blobs().path(&hash), &bytes)?;
        Ok(Some(Reference { picture, hash }))
    }

    fn parent(&self, run: &Run) -> Result<Option<TaskId>, Halt> {
        Ok(run.parent.map(|parent| self.reader.run_by_id(parent)).transpose()?.map(|parent| parent.task))
    }

    /// The picture of another run that was made from exactly the same, if it is whole.
    fn stored(&self, key: &blake3::Hash) -> Result<Option<RgbImage>, Halt> {
        let Some(output) = self.reader.output_with_key(key)? else { return Ok(None) };
        let blobs = self.reader.blobs();
        let bytes = blobs.read(&output.picture.blob).ok();
        Ok(bytes.and_then(|bytes| imaging::decode_picture(&blobs.path(&output.picture.blob), &bytes).ok()))
    }

    /// Sees to it that the run's model is in memory; gives the seconds that took.
    fn load(&mut self, recipe: &Recipe, with_reference: bool, watch: &mut Watch<'_>) -> Result<f64, Halt> {
        let wanted = &recipe.model;
        let fits = |loaded: &Loaded| loaded.wanted == *wanted && (loaded.has_adapter() || !with_reference);
        if self.loaded.as_ref().is_some_and(fits) {
            return Ok(0.0);
        }
        // First out with the old: two may not fit.
        self.loaded = None;
        let began = Instant::now();
        let mut named = model::choose(
            &wanted.checkpoint,
            wanted.adapter.as_deref().map(str::as_ref),
            wanted.image_encoder.as_deref().map(str::as_ref),
        )?;
        if !with_reference {
            named = named.without_adapter();
        } else if !named.model.has_adapter() {
            return Err(diffusion::Error::NoAdapter.into());
        }
        named.require_memory(self.compute, &recipe.settings, 1)?;
        self.loaded = Some(Loaded::load(wanted, &named, self.compute, watch)?);
        Ok(began.elapsed().as_secs_f64())
    }
}

impl Loaded {
    fn load(wanted: &Model, named: &Named, compute: &Compute, watch: &mut Watch<'_>) -> Result<Self, Halt> {
        let hashing = named.hash();
        let pipeline = Pipeline::load(&named.model, compute, watch).map_err(|error| halted(error, watch))?;
        Ok(Self {
            wanted: wanted.clone(),
            pipeline,
            ingredients: named.ingredients(hashing)?,
            sampler: named.own_sampler()?,
        })
    }

    fn has_adapter(&self) -> bool {
        self.ingredients.adapter.is_some()
    }

    /// Of the files that take part: without a reference, the adapter does not.
    fn hashes(&self, with_reference: bool) -> Result<ModelHashes, Halt> {
        let Ingredients { model, adapter, image_encoder } = &self.ingredients;
        let hash =
            |hex: &str| blake3::Hash::from_hex(hex).map_err(|error| Halt::Failed(format!("{hex} is no hash: {error}")));
        let part = |part: &Option<imaging::provenance::Ingredient>| {
            part.as_ref().filter(|_| with_reference).map(|part| hash(&part.hash)).transpose()
        };
        Ok(ModelHashes {
            checkpoint: Some(hash(&model.hash)?),
            adapter: part(adapter)?,
            image_encoder: part(image_encoder)?,
        })
    }

    /// One seed's picture: from where it was left, if that can be used, otherwise from its beginning.
    fn generate(
        &self,
        request: &Request,
        resume: Option<&ResumePoint>,
        watch: &mut Watch<'_>,
    ) -> Result<Generated, Halt> {
        if let Some(point) = resume {
            let resumed = Snapshot::from_bytes(&point.data, &watch.key)
                .and_then(|from| self.pipeline.resume(request, from, watch as &mut dyn Observer));
            match resumed {
                Err(diffusion::Error::BadSnapshot { reason }) => {
                    let text = format!("the saved state is not used, and the seed begins again: {reason}");
                    watch.shared.tell(News::Note { task: watch.claim.task.clone(), text });
                }
                resumed => return resumed.map_err(|error| halted(error, watch)),
            }
        }
        self.pipeline.generate(request, watch).map_err(|error| halted(error, watch))
    }
}

/// Waits out another program that holds the database.
pub(super) fn patiently<T>(mut work: impl FnMut() -> store::Result<T>) -> store::Result<T> {
    for _ in 0..5 {
        match work() {
            Err(store::Error::Busy { .. }) => {}
            done => return done,
        }
    }
    work()
}

/// A pipeline that was told to stop stops for the reason its watch had.
fn halted(error: diffusion::Error, watch: &mut Watch<'_>) -> Halt {
    match error {
        diffusion::Error::Cancelled => watch.halt.take().unwrap_or(Halt::Stopped),
        error => error.into(),
    }
}

/// What besides the run decides its pictures to the bit.
fn computed_by(compute: &Compute) -> String {
    format!("pentimento {} {} {}", env!("CARGO_PKG_VERSION"), compute.device_name(), compute.dtype_name())
}

impl From<store::Error> for Halt {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        match error {
            E::LostLease { .. } => Self::Lost,
            E::DiskFull { .. } => Self::NoRoom,
            E::ReadOnly { .. }
            | E::NotADatabase { .. }
            | E::Damaged { .. }
            | E::ForeignLog { .. }
            | E::DiskFailed { .. }
            | E::Newer { .. }
            | E::NoProject { .. }
            | E::Busy { .. }
            | E::Sql(_) => Self::Fatal(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<diffusion::Error> for Halt {
    fn from(error: diffusion::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<imaging::Error> for Halt {
    fn from(error: imaging::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
