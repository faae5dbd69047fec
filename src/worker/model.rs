//! Finds the files of a model by the names that the user gives, and hashes them.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::diffusion::compute::Compute;
use crate::diffusion::fingerprint::Fingerprint;
use crate::diffusion::model::Model;
use crate::diffusion::{self, memory};
use crate::imaging::provenance::Ingredient;
use crate::studio::settings::{Sampler, Settings};

/// The name of the built-in model.
pub use crate::studio::settings::MINI;

/// A model, and the names of its parts for records.
pub struct NamedModel {
    pub model: Model,
    name: String,
    adapter_name: Option<String>,
    encoder_name: Option<String>,
}

/// The parts of a model as records contain them.
pub struct Ingredients {
    pub model: Ingredient,
    pub adapter: Option<Ingredient>,
    pub image_encoder: Option<Ingredient>,
}

/// The hashes of a model's files, computed on a thread of their own.
pub struct PendingHashes(JoinHandle<diffusion::Result<Fingerprint>>);

/// Finds a model. `checkpoint` is `mini` or a folder. Without `image_encoder`, the folder `image_encoder` beside the adapter
/// or in the checkpoint is used.
pub fn find(checkpoint: &str, adapter: Option<&Path>, image_encoder: Option<&Path>) -> diffusion::Result<NamedModel> {
    let (model, name) = if checkpoint == MINI {
        (Model::mini(), MINI.to_owned())
    } else {
        let folder = Path::new(checkpoint);
        require_folder(folder)?;
        (Model::folder(folder), last_component(folder))
    };
    let Some(adapter) = adapter else {
        let own = model.has_adapter();
        let adapter_name = model.adapter_path().map(|path| last_component(&path));
        return Ok(NamedModel { model, name, adapter_name, encoder_name: own.then(|| "image_encoder".to_owned()) });
    };
    let beside = adapter.parent().map(|folder| folder.join("image_encoder")).filter(|folder| folder.is_dir());
    let encoder: Option<PathBuf> = image_encoder.map(Path::to_owned).or(beside);
    Ok(NamedModel {
        model: model.with_adapter(adapter, encoder.as_deref())?,
        name,
        adapter_name: Some(last_component(adapter)),
        encoder_name: Some(encoder.map_or_else(|| "image_encoder".to_owned(), |folder| last_component(&folder))),
    })
}

impl NamedModel {
    /// The model without its adapter, for runs without a reference.
    pub fn without_adapter(self) -> Self {
        Self { model: self.model.without_adapter(), adapter_name: None, encoder_name: None, ..self }
    }

    /// The sampler that the checkpoint names.
    pub fn checkpoint_sampler(&self) -> diffusion::Result<Sampler> {
        self.model.scheduler()?.own_sampler()
    }

    /// Fails if a generation would not fit into memory, before the weights are read.
    pub fn require_memory(&self, compute: &Compute, settings: &Settings, batch: usize) -> diffusion::Result<()> {
        let trained = self.model.trained_size()?;
        let (width, height) = (settings.width.unwrap_or(trained), settings.height.unwrap_or(trained));
        memory::require(memory::estimate(&self.model, compute, width, height, batch)?.total(), compute)
    }

    /// Starts a thread that hashes all files.
    pub fn start_hashing(&self) -> PendingHashes {
        let model = self.model.clone();
        PendingHashes(std::thread::spawn(move || model.fingerprint()))
    }

    /// Waits for the hashes.
    pub fn ingredients(&self, pending: PendingHashes) -> diffusion::Result<Ingredients> {
        // A panic in that thread is a bug: continue it in this thread.
        let hashes = pending.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let ingredient = |name: &Option<String>, hash: Option<String>| {
            name.clone().zip(hash).map(|(name, hash)| Ingredient { name, hash })
        };
        Ok(Ingredients {
            model: Ingredient { name: self.name.clone(), hash: hashes.checkpoint },
            adapter: ingredient(&self.adapter_name, hashes.adapter),
            image_encoder: ingredient(&self.encoder_name, hashes.image_encoder),
        })
    }
}

/// Fails with clear advice if a checkpoint is not a folder: the most common mistake.
fn require_folder(path: &Path) -> diffusion::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let what = if path.exists() { "is a file, not a checkpoint folder" } else { "does not exist" };
    Err(diffusion::Error::Missing {
        path: path.to_owned(),
        what: what.to_owned(),
        remedy: "use `mini` or a diffusers folder, with model_index.json, unet/, vae/, text_encoder/, tokenizer/ and \
                 scheduler/"
            .to_owned(),
    })
}

/// The last component of a path. `.` and `..` are resolved.
fn last_component(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
