//! From what was typed to a checkpoint, an adapter and the names records keep them under.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use clap::{Args, ValueHint};

use crate::diffusion;
use crate::diffusion::fingerprint::Fingerprint;
use crate::diffusion::model::Model;
use crate::diffusion::scheduler::SchedulerConfig;
use crate::imaging::provenance::Ingredient;
use crate::studio::settings::Sampler;

/// The name of the embedded model on the command line.
pub const MINI: &str = "mini";

/// Where the embedded model keeps to the prompt without overcooking (its card has the figures).
pub const MINI_GUIDANCE: f64 = 3.0;
/// More steps than this change little in its pictures.
pub const MINI_STEPS: usize = 16;

/// The flags of `generate` and `run` that name a model.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArguments {
    /// The embedded model, or a checkpoint folder in diffusers' layout [default: mini]
    #[arg(long, value_name = "mini|DIR", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,

    /// An IP-Adapter's weights (.safetensors); a checkpoint's own is used without this
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub adapter: Option<PathBuf>,

    /// The image encoder that belongs to the adapter; looked for beside it if left out
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "adapter")]
    pub image_encoder: Option<PathBuf>,
}

impl ModelArguments {
    pub fn checkpoint(&self) -> &str {
        self.model.as_deref().unwrap_or(MINI)
    }
}

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
        SchedulerConfig::load(&self.model.files().folder("scheduler"))?.own_sampler()
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
    let what = if path.exists() {
        "a checkpoint folder is needed, and this is a single file"
    } else {
        "there is no such folder"
    };
    Err(diffusion::Error::Missing {
        path: path.to_owned(),
        what: what.to_owned(),
        remedy: "--model takes `mini` or a folder in diffusers' layout (model_index.json, unet/, vae/, text_encoder/, \
                 tokenizer/, scheduler/)"
            .to_owned(),
    })
}

/// The last part of a path, also of `.` and `..`.
fn last_part(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
