//! `models`: the files of checkpoints and adapters.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde_json::json;

use crate::cli::failure::UsageError;
use crate::cli::output::{describe, print};
use crate::diffusion::convert::convert;

/// Convert files of checkpoints and adapters
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Convert(Convert),
}

/// Convert a pickle file of PyTorch (.bin, .pt, .pth, .ckpt) to safetensors
///
/// A pickle can run code while it loads. This command reads only descriptions of tensors and runs nothing; it refuses a
/// file that asks for anything else. The names and values of the tensors stay the same. The dictionaries of an
/// IP-Adapter become `image_proj.…` and `ip_adapter.…`.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento models convert ip-adapter.bin ip-adapter.safetensors")]
struct Convert {
    /// The pickle file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: PathBuf,

    /// The file to write
    #[arg(value_name = "OUTPUT.safetensors", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Replace OUTPUT if it exists; it may be FILE itself
    #[arg(long)]
    force: bool,

    /// Print what was written as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Convert(arguments) => arguments.run(),
    }
}

impl Convert {
    fn run(&self) -> anyhow::Result<()> {
        if self.output.extension().is_none_or(|ending| ending != "safetensors") {
            let name = self.output.display();
            return Err(UsageError(format!("invalid output {name}: use a name that ends in .safetensors")).into());
        }
        let converted = convert(&self.input, &self.output, self.force)?;
        for name in &converted.left_out {
            print::note(&format!("{name} is not a tensor and was left out"));
        }
        if self.json {
            return Ok(print::document(&json!({
                "output": self.output.to_string_lossy(),
                "tensors": converted.tensors,
                "bytes": converted.bytes,
                "left_out": converted.left_out,
            }))?);
        }
        let tensors = describe::count(converted.tensors as u64, "tensor");
        Ok(print::line(&format!("Wrote {tensors} to {}.", self.output.display()))?)
    }
}
