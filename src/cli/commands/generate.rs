//! `generate`: generates pictures without a project.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use crate::cli::args::model::ModelArguments;
use crate::cli::args::settings::SettingsArguments;
use crate::cli::failure::UsageError;
use crate::cli::files::{check_is_new, check_picture_path, with_seed};
use crate::cli::generation::{Generator, SavedPicture};
use crate::cli::interrupt;
use crate::cli::output::print;
use crate::cli::output::progress::Progress;
use crate::cli::output::screen::Screen;
use crate::diffusion::compute::{Compute, DeviceChoice, DtypeChoice};
use crate::diffusion::pipeline::{Generated, Pipeline, Request};
use crate::diffusion::{self, memory};
use crate::imaging;
use crate::service::models::MINI;
use crate::service::runs;
use crate::studio::prompt_syntax;
use crate::studio::seeds::SeedChoice;
use crate::studio::settings::Settings;
use crate::studio::text::clean;
use crate::worker::model;

/// Generate pictures from a prompt and, optionally, a reference
///
/// The output matches diffusers for the same files, prompt, seed and settings. Each PNG file records that it was
/// generated, from what, and how.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  pentimento generate --prompt \"a smiling woman, close-up, soft light\" --output w.png\n  \
                  pentimento generate --prompt \"a violinist\" --reference face.png --output violinist.png"
)]
pub struct Arguments {
    /// What to show, best in the order subject, camera, lighting, style, constraints
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    prompt: String,

    /// What to avoid
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, help_heading = "Prompt")]
    negative: String,

    /// A picture for the adapter to follow: PNG, JPEG or WebP
    #[arg(long, value_name = "PICTURE", value_hint = ValueHint::FilePath, help_heading = "Prompt")]
    reference: Option<PathBuf>,

    /// The file to write; with --count, -SEED is added before the extension
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath, help_heading = "Prompt")]
    output: PathBuf,

    /// Replace an existing file
    #[arg(long)]
    force: bool,

    /// Print the results as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,

    /// The seed, as in torch.Generator("cpu"); -1 draws one
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true, help_heading = "Settings")]
    seed: SeedChoice,

    /// The number of pictures; each uses the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000), help_heading = "Settings")]
    count: u64,

    /// The number of pictures that are denoised at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Settings")]
    batch: u64,

    #[command(flatten)]
    settings: SettingsArguments,

    /// The device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Machine")]
    device: DeviceChoice,

    /// The number type: auto, f32, f16 or bf16
    #[arg(long, value_name = "TYPE", default_value = "auto", help_heading = "Machine")]
    dtype: DtypeChoice,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    interrupt::listen();
    // Inputs are validated before the model loads.
    let checkpoint = arguments.model.model.as_deref().unwrap_or(MINI);
    let settings = arguments.settings.apply(Settings::for_checkpoint(checkpoint));
    let seeds = arguments.seeds()?;
    arguments.settings.check_size()?;
    arguments.check_output(&seeds)?;
    let reference = arguments.reference.as_deref().map(imaging::open_picture).transpose()?;
    let compute = Compute::choose(arguments.device, arguments.dtype)?;
    let (adapter, encoder) = (arguments.model.adapter.as_deref(), arguments.model.image_encoder.as_deref());
    let mut named = model::find(checkpoint, adapter, encoder)?;
    let mut progress = Progress::new(seeds.len().div_ceil(arguments.batch as usize));
    if arguments.seed == SeedChoice::Random {
        progress.note(&format!("--seed -1 drew {}", seeds[0]));
    }
    prompt_syntax::notes(&[&arguments.prompt, &arguments.negative]).iter().for_each(|note| progress.note(note));
    match (&reference, adapter) {
        (Some(_), _) if !named.model.has_adapter() => return Err(diffusion::Error::NoAdapter.into()),
        (None, Some(_)) => progress.note("the adapter is not used, because there is no --reference"),
        (None, None) => named = named.without_adapter(),
        (Some(_), _) => {}
    }
    let sampler = match settings.sampler {
        Some(sampler) => sampler,
        None => named.checkpoint_sampler()?,
    };
    named.require_memory(&compute, &settings, arguments.batch.min(arguments.count) as usize)?;

    let hashing = named.start_hashing();
    let pipeline = Pipeline::load(&named.model, &compute, &mut progress)?;
    let generator = Generator { ingredients: named.ingredients(hashing)?, pipeline, sampler };
    let hash = reference.as_ref().map(|opened| opened.hash.clone());
    let request = Request {
        prompt: arguments.prompt.clone(),
        negative: arguments.negative.clone(),
        reference: reference.map(|opened| opened.picture),
        seeds,
        batch: arguments.batch as usize,
        settings,
    };
    let (saved, generated) = generator.run(&request, hash.as_deref(), |seed| arguments.path_of(seed), &mut progress)?;
    progress.finish();

    if arguments.json {
        let mut document = document(&saved, &generator.pipeline, &generated);
        document["notes"] = json!(progress.notes());
        return Ok(print::document(&document)?);
    }
    print_pictures(&saved, &generated)
}

impl Arguments {
    fn seeds(&self) -> Result<Vec<u64>, UsageError> {
        let first = self.seed.or_draw(runs::draw_seed);
        let last = first.checked_add(self.count - 1).ok_or_else(|| {
            UsageError(format!("--seed {first} with --count {} exceeds the largest seed, {}", self.count, u64::MAX))
        })?;
        Ok((first..=last).collect())
    }

    fn check_output(&self, seeds: &[u64]) -> anyhow::Result<()> {
        for &seed in seeds {
            let path = self.path_of(seed);
            check_picture_path(&path)?;
            if self.reference.as_deref().is_some_and(|reference| same_file(reference, &path)) {
                let name = path.display();
                return Err(
                    UsageError(format!("--output {name} would overwrite the reference: choose another file")).into()
                );
            }
            check_is_new(&path, self.force)?;
        }
        Ok(())
    }

    /// The file of a seed's picture.
    fn path_of(&self, seed: u64) -> PathBuf {
        if self.count == 1 { self.output.clone() } else { with_seed(&self.output, seed) }
    }
}

/// The document of `--json`.
fn document(saved: &[SavedPicture], pipeline: &Pipeline, generated: &Generated) -> Value {
    let (timings, compute) = (&generated.timings, pipeline.compute());
    let outputs: Vec<Value> = saved
        .iter()
        .map(|output| json!({"path": output.path.to_string_lossy(), "seed": output.seed, "hash": output.hash}))
        .collect();
    json!({
        "outputs": outputs,
        "device": compute.device_name(),
        "dtype": compute.dtype_name(),
        "scheduler": generated.sampler.name(),
        "width": generated.width,
        "height": generated.height,
        "timings": {
            "load_s": pipeline.load_seconds(),
            "encode_s": timings.encode_s,
            "denoise_s": timings.denoise_s,
            "step_s": timings.step_s,
            "decode_s": timings.decode_s,
        },
        "peak_memory_bytes": memory::peak(),
    })
}

/// Prints the pictures, if the terminal shows them, and their paths.
fn print_pictures(saved: &[SavedPicture], generated: &Generated) -> anyhow::Result<()> {
    let captions: Vec<String> = saved.iter().map(|output| clean(&output.path.to_string_lossy())).collect();
    let pictures: Vec<_> = generated.outputs.iter().map(|output| &output.picture).collect();
    Ok(Screen::of_stdout().pictures(&pictures, &captions)?)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
