//! Which files a pipeline is made of: a checkpoint, and the adapter with its image encoder.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::checkpoint::{Files, UNetConfig, VaeConfig};
use super::{Error, Result};

static MINI: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models/mini");

/// The name under which a checkpoint in diffusers' layout carries an adapter of its own.
const OWN_ADAPTER: &str = "ip_adapter.safetensors";

/// A checkpoint in diffusers' layout and, for runs with a reference, an adapter.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) files: Files,
    pub(super) adapter: Option<AdapterFiles>,
}

/// An adapter's weights, and the image encoder it was trained with.
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

    /// A checkpoint on disk; nothing is read yet.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::with_own_adapter(Files::on_disk(path))
    }

    /// The same checkpoint with this adapter. Without a folder for the image encoder, the checkpoint's own
    /// `image_encoder/` is taken.
    pub fn with_adapter(self, file: &Path, image_encoder: Option<&Path>) -> Result<Self> {
        let encoder = match image_encoder {
            Some(folder) => Files::on_disk(folder),
            None => self.files.folder("image_encoder"),
        };
        if !encoder.exists() {
            return Err(Error::Missing {
                path: encoder.path(),
                what: "an adapter needs the image encoder it was trained with".to_owned(),
                remedy: "give its folder (config.json, model.safetensors, preprocessor_config.json) with \
                         --image-encoder"
                    .to_owned(),
            });
        }
        let folder = Files::on_disk(file.parent().unwrap_or(Path::new("")));
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { adapter: Some(AdapterFiles { folder, name, encoder }), ..self })
    }

    /// The same checkpoint for runs without a reference: the adapter is not loaded.
    pub fn without_adapter(self) -> Self {
        Self { adapter: None, ..self }
    }

    /// Whether a reference can be used with it.
    pub fn has_adapter(&self) -> bool {
        self.adapter.is_some()
    }

    /// The checkpoint's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Where the adapter's weights are, as messages say it.
    pub fn adapter_path(&self) -> Option<PathBuf> {
        self.adapter.as_ref().map(|adapter| adapter.folder.path_of(&adapter.name))
    }

    /// Width and height in pixels of the pictures it was trained on: 512 where its config does not say.
    pub fn trained_size(&self) -> Result<usize> {
        let unet: UNetConfig = self.files.folder("unet").json("config.json")?;
        let vae: VaeConfig = self.files.folder("vae").json("config.json")?;
        Ok(unet.sample_size.map_or(512, |side| side.saturating_mul(vae.factor())))
    }

    fn with_own_adapter(files: Files) -> Self {
        let encoder = files.folder("image_encoder");
        let own = files.has(OWN_ADAPTER) && encoder.exists();
        let adapter = own.then(|| AdapterFiles { folder: files.clone(), name: OWN_ADAPTER.to_owned(), encoder });
        Self { files, adapter }
    }
}
