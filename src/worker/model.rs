//! From what was typed to a checkpoint, an adapter and the names records keep them under.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::diffusion::compute::Compute;
use crate::diffusion::fingerprint::Fingerprint;
use crate::diffusion::model::Model;
use crate::diffusion::{self, memory};
use crate::imaging::provenance::Ingredient;
use crate::studio::settings::{Sampler, Settings};

/// The name of the embedded model.
pub const MINI: &str = "mini";

/// A model with the names of its parts.
pub struct Named {
    pub model: Model,
    name: String,
    adapter_name: Option<String>,
    encoder_name: Option<String>,
}

/// The parts of a model as records keep them.
pub struct Ingredients {
    pub model: Ingredient,
    pub adapter: Option<Ingredient>,
    pub image_encoder: Option<Ingredient>,
}

/// Reads every file of a model to hash it, beside the work that can already be done.
pub struct Hashing(JoinHandle<diffusion::Result<Fingerprint>>);

/// `checkpoint` is `mini` or a folder. Without a folder for the image encoder it is looked for beside the adapter, then
/// in the checkpoint.
pub fn choose(checkpoint: &str, adapter: Option<&Path>, image_encoder: Option<&Path>) -> diffusion::Result<Named> {
    let (model, name) = if checkpoint == MINI {
        (Model::mini(), MINI.to_owned())
    } else {
        let folder = Path::new(checkpoint);
        require_folder(folder)?;
        (Model::folder(folder), last_part(folder))
    };
    let Some(file) = adapter else {
        let own = model.has_adapter();
        let adapter_name = model.adapter_path().map(|path| last_part(&path));
        return Ok(Named { model, name, adapter_name, encoder_name: own.then(|| "image_encoder".to_owned()) });
    };
    let beside = file.parent().map(|folder| folder.join("image_encoder")).filter(|folder| folder.is_dir());
    let encoder: Option<PathBuf> = image_encoder.map(Path::to_owned).or(beside);
    Ok(Named {
        model: model.with_adapter(file, encoder.as_deref())?,
        name,
        adapter_name: Some(last_part(file)),
        encoder_name: Some(encoder.map_or_else(|| "image_encoder".to_owned(), |folder| last_part(&folder))),
    })
}

impl Named {
    /// The same without its adapter, for runs without a reference.
    pub fn without_adapter(self) -> Self {
        Self { model: self.model.without_adapter(), adapter_name: None, encoder_name: None, ..self }
    }

    /// The sampler that the checkpoint names.
    pub fn own_sampler(&self) -> diffusion::Result<Sampler> {
        self.model.scheduler()?.own_sampler()
    }

    /// Refuses a generation that would not fit into memory, before the weights are read.
    pub fn require_memory(&self, compute: &Compute, settings: &Settings, batch: usize) -> diffusion::Result<()> {
        let trained = self.model.trained_size()?;
        let (width, height) = (settings.width.unwrap_or(trained), settings.height.unwrap_or(trained));
        memory::require(memory::estimate(&self.model, compute, width, height, batch)?.total(), compute)
    }

    /// Begins to hash in a thread of its own.
    pub fn hash(&self) -> Hashing {
        let model = self.model.clone();
        Hashing(std::thread::spawn(move || model.fingerprint()))
    }

    /// Waits for the hashes.
    pub fn ingredients(&self, hashing: Hashing) -> diffusion::Result<Ingredients> {
        // A panic there is a bug, and goes on here.
        let hashes = hashing.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
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

/// The commonest mistake, said before anything is looked for inside.
fn require_folder(path: &Path) -> diffusion::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let what = if path.exists() { "is a single file, not a checkpoint folder" } else { "does not exist" };
    Err(diffusion::Error::Missing {
        path: path.to_owned(),
        what: what.to_owned(),
        remedy: "give `mini` or a diffusers folder, with model_index.json, unet/, vae/, text_encoder/, tokenizer/ and \
                 scheduler/"
            .to_owned(),
    })
}

/// The last part of a path, also of `.` and `..`.
fn last_part(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
