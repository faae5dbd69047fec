//! Which files a pipeline is made of: a checkpoint, and an adapter with its image encoder.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::adapter;
use super::checkpoint::{Checkpoint, Files, component_note};
use super::scheduler::SchedulerConfig;
use super::tokenizer::Tokenizer;
use super::{Error, Result};

static MINI: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models/mini");

/// A checkpoint folder may bring its own adapter under this name, with an `image_encoder/`.
const OWN_ADAPTER: &str = "ip_adapter.safetensors";

/// A checkpoint and, for runs with a reference, an adapter. Holds paths, no weights.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) files: Files,
    pub(super) adapter: Option<AdapterFiles>,
}

/// An adapter's weights file, and the image encoder it was trained with.
#[derive(Clone, Debug)]
pub(super) struct AdapterFiles {
    pub folder: Files,
    pub name: String,
    pub encoder: Files,
}

impl Model {
    /// The embedded model, compiled into the program.
    pub fn mini() -> Self {
        Self::with_own_adapter(Files::embedded(&MINI))
    }

    /// A checkpoint folder on disk. Reads no file yet.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::with_own_adapter(Files::on_disk(path))
    }

    /// The same checkpoint with the adapter in `file`. Without `image_encoder`, takes the checkpoint's own
    /// `image_encoder/` folder.
    pub fn with_adapter(self, file: &Path, image_encoder: Option<&Path>) -> Result<Self> {
        let encoder = match image_encoder {
            Some(folder) => Files::on_disk(folder),
            None => self.files.folder("image_encoder"),
        };
        if !encoder.exists() {
            return Err(Error::Missing {
                path: encoder.path(),
                what: "does not exist, and an adapter needs its image encoder".to_owned(),
                remedy: "give the folder with config.json, model.safetensors and preprocessor_config.json as \
                         --image-encoder DIR"
                    .to_owned(),
            });
        }
        let folder = Files::on_disk(file.parent().unwrap_or(Path::new("")));
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { adapter: Some(AdapterFiles { folder, name, encoder }), ..self })
    }

    /// The same checkpoint without its adapter, for runs without a reference.
    pub fn without_adapter(self) -> Self {
        Self { adapter: None, ..self }
    }

    /// Whether it can use a reference.
    pub fn has_adapter(&self) -> bool {
        self.adapter.is_some()
    }

    /// The checkpoint's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The path of the adapter's weights, for messages.
    pub fn adapter_path(&self) -> Option<PathBuf> {
        self.adapter.as_ref().map(|adapter| adapter.folder.path_of(&adapter.name))
    }

    /// Recognises the checkpoint's family. Reads configs only.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::open(&self.files)
    }

    /// Loads the tokenizer that decides how much of a prompt is read: that of the first text encoder.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let checkpoint = self.checkpoint()?;
        let part = &checkpoint.parts().text[0];
        Tokenizer::load(&checkpoint.folder(part.tokenizer))
    }

    /// What the user should know about files that contradict each other or are only partly used. Reads configs and the
    /// adapter's header.
    pub fn notes(&self) -> Result<Vec<String>> {
        let mut notes = self.checkpoint()?.notes();
        notes.extend(self.scheduler()?.note());
        if let Some(AdapterFiles { folder, name, encoder }) = &self.adapter {
            notes.extend(component_note(encoder, "model"));
            notes.extend(adapter::note(folder, name)?);
        }
        Ok(notes)
    }

    /// Reads the checkpoint's scheduler config.
    pub fn scheduler(&self) -> Result<SchedulerConfig> {
        SchedulerConfig::of(&self.checkpoint()?)
    }

    /// Width and height in pixels of the pictures it was trained on, or the family's default.
    pub fn trained_size(&self) -> Result<usize> {
        let checkpoint = self.checkpoint()?;
        let parts = checkpoint.parts();
        Ok(checkpoint.default_size(&checkpoint.config(parts.unet)?, &checkpoint.config(parts.vae)?))
    }

    fn with_own_adapter(files: Files) -> Self {
        let encoder = files.folder("image_encoder");
        let own = files.has(OWN_ADAPTER) && encoder.exists();
        let adapter = own.then(|| AdapterFiles { folder: files.clone(), name: OWN_ADAPTER.to_owned(), encoder });
        Self { files, adapter }
    }
}
