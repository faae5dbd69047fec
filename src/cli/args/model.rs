//! The flags of `generate` and `run` that choose a model.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArguments {
    /// The built-in model, or a diffusers checkpoint folder [default: mini]
    #[arg(long, value_name = "mini|DIR", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,

    /// The IP-Adapter's weights (.safetensors) [default: the checkpoint's own]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub adapter: Option<PathBuf>,

    /// The adapter's image encoder [default: image_encoder beside the adapter, else the checkpoint's]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "adapter")]
    pub image_encoder: Option<PathBuf>,
}
