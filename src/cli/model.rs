//! Models as the command line names them, and what suits the embedded one.

use std::path::PathBuf;

use clap::{Args, ValueHint};

pub use crate::service::models::{MINI, MINI_GUIDANCE, MINI_STEPS};
pub use crate::worker::model::{Ingredients, find};

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
