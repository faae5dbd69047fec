//! The recipe of a run: everything that decides its pictures except the seed.

use super::ids::ReferenceId;
use super::prompt::Prompt;
use super::settings::Settings;

/// The checkpoint, and the IP-Adapter that conditions it on a reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Model {
    /// `mini` (built in), or the absolute path of a checkpoint folder.
    pub checkpoint: String,
    /// Path of the adapter's weights; `None`: the checkpoint's own adapter, if it has one.
    pub adapter: Option<String>,
    /// Path of the adapter's image encoder; `None`: looked for beside the adapter.
    pub image_encoder: Option<String>,
}

impl Model {
    /// A checkpoint with its own adapter.
    pub fn named(checkpoint: &str) -> Self {
        Self { checkpoint: checkpoint.to_owned(), adapter: None, image_encoder: None }
    }
}

/// BLAKE3 hashes of the model files that a run used; known once the files are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelHashes {
    pub checkpoint: Option<blake3::Hash>,
    pub adapter: Option<blake3::Hash>,
    pub image_encoder: Option<blake3::Hash>,
}

/// Prompt, reference, settings and model. A recipe has at most one reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    pub prompt: Prompt,
    /// `None`: a prompt-only run.
    pub reference: Option<ReferenceId>,
    pub settings: Settings,
    pub model: Model,
}
