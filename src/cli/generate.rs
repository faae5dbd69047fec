//! `generate`: one generation without a project.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde_json::{Value, json};

use super::failure::Usage;
use super::making::{Maker, Written};
use super::model::{self, MINI};
use super::progress::Progress;
use super::{interrupt, show};
use crate::diffusion::compute::{Compute, DeviceChoice, DtypeChoice};
use crate::diffusion::pipeline::{Generated, Pipeline, Request};
use crate::diffusion::{self, memory};
use crate::imaging;
use crate::studio::settings::{AdapterScale, LongPrompt, Sampler, Settings};
use crate::studio::text::clean;

/// Make pictures from a prompt and, if you like, a reference
///
/// The picture is the one that diffusers makes of the same files, prompt, seed and settings. Files are PNG and say that
/// they were generated, from what, and how.
#[derive(Args)]
pub struct Arguments {
    /// What to make; best in the order subject, camera, lighting, style, constraints
    #[arg(long, value_name = "TEXT", help_heading = "What to make")]
    prompt: String,

    /// What to keep away from
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, help_heading = "What to make")]
    negative: String,

    /// The picture whose subject the adapter follows: PNG, JPEG or WebP
    #[arg(long, value_name = "PICTURE", value_hint = ValueHint::FilePath, help_heading = "What to make")]
    reference: Option<PathBuf>,

    /// Where to write the picture; with --count, -SEED comes before the extension
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath, help_heading = "What to make")]
    output: PathBuf,

    /// The embedded model, or a checkpoint folder in diffusers' layout
    #[arg(long, value_name = "mini|DIR", default_value = MINI, value_hint = ValueHint::DirPath, help_heading = "Model")]
    model: String,

    /// An IP-Adapter's weights (.safetensors); a checkpoint's own is used without this
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Model")]
    adapter: Option<PathBuf>,

    /// The image encoder that belongs to the adapter; looked for beside it if left out
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "adapter", help_heading = "Model")]
    image_encoder: Option<PathBuf>,

    /// The seed, as in torch.Generator("cpu")
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Settings")]
    seed: u64,

    /// How many pictures: seeds N, N+1, …
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000), help_heading = "Settings")]
    count: u64,

    /// How many pictures are denoised at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Settings")]
    batch: u64,

    /// Denoising steps [default: 16 for mini, 25 otherwise]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Settings")]
    steps: Option<u64>,

    /// How strongly the prompt counts; too much makes brittle, overcooked pictures [default: 3 for mini, 5.5 otherwise]
    #[arg(long, value_name = "F", value_parser = number, help_heading = "Settings")]
    guidance: Option<f64>,

    /// How strongly the reference counts: 0 is off, 1 as trained
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = number, help_heading = "Settings")]
    adapter_scale: f64,

    /// A scale for one block of the UNet, such as up_blocks.0.attentions.1=1; may be repeated, and blocks that are not
    /// named get 0
    #[arg(long, value_name = "NAME=F", value_parser = block, conflicts_with = "adapter_scale", help_heading = "Settings")]
    adapter_block: Vec<(String, f64)>,

    /// The share of the steps after which the adapter sets in, from 0 to 1
    #[arg(long, value_name = "F", default_value_t = 0.0, value_parser = share, help_heading = "Settings")]
    adapter_start: f64,

    /// The share of the steps after which the adapter stops, from 0 to 1
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = share, help_heading = "Settings")]
    adapter_end: f64,

    /// ddim, euler, euler-a, dpmpp-2m, unipc, lcm or pndm [default: the checkpoint's own]
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    scheduler: Option<Sampler>,

    /// Karras sigmas, for schedulers that know them [default: as the checkpoint says]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Settings")]
    karras: Option<bool>,

    /// In pixels, a multiple of 8 [default: what the checkpoint was trained at]
    #[arg(long, value_name = "W", help_heading = "Settings")]
    width: Option<usize>,

    /// In pixels, a multiple of 8 [default: what the checkpoint was trained at]
    #[arg(long, value_name = "H", help_heading = "Settings")]
    height: Option<usize>,

    /// What to do with a prompt that is longer than the text encoder reads
    #[arg(long, value_enum, default_value_t = Long::Truncate, help_heading = "Settings")]
    long_prompt: Long,

    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "NAME", default_value = "auto", help_heading = "Machine")]
    device: DeviceChoice,

    /// auto, f32, f16 or bf16
    #[arg(long, value_name = "NAME", default_value = "auto", help_heading = "Machine")]
    dtype: DtypeChoice,

    /// Print what was made as one JSON document
    #[arg(long, help_heading = "Machine")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Long {
    /// Keep what fits and say what fell off
    Truncate,
    /// Read it in chunks
    Chunk,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    interrupt::listen();
    // Everything that can be refused is refused before anything heavy is read.
    let settings = arguments.settings();
    let seeds = arguments.seeds()?;
    arguments.check_size()?;
    arguments.check_output(&seeds)?;
    let reference = arguments.reference.as_deref().map(imaging::open_picture).transpose()?;
    let compute = Compute::choose(arguments.device, arguments.dtype)?;
    let mut named = model::choose(&arguments.model, arguments.adapter.as_deref(), arguments.image_encoder.as_deref())?;
    let mut progress = Progress::new(seeds.len().div_ceil(arguments.batch as usize));
    match (&reference, &arguments.adapter) {
        (Some(_), _) if !named.model.has_adapter() => return Err(diffusion::Error::NoAdapter.into()),
        (None, Some(_)) => progress.note("note: the adapter does nothing, because there is no --reference"),
        (None, None) => named = named.without_adapter(),
        (Some(_), _) => {}
    }
    let sampler = match settings.sampler {
        Some(sampler) => sampler,
        None => named.own_sampler()?,
    };
    named.require_memory(&compute, &settings, arguments.batch.min(arguments.count) as usize)?;

    let hashing = named.hash();
    let pipeline = Pipeline::load(&named.model, &compute, &mut progress)?;
    let maker = Maker { ingredients: named.ingredients(hashing)?, pipeline, sampler };
    let hash = reference.as_ref().map(|opened| opened.hash.clone());
    let request = Request {
        prompt: arguments.prompt.clone(),
        negative: arguments.negative.clone(),
        reference: reference.map(|opened| opened.picture),
        seeds,
        batch: arguments.batch as usize,
        settings,
    };
    let (written, generated) = maker.make(&request, hash.as_deref(), |seed| arguments.path_of(seed), &mut progress)?;
    progress.finish();

    if arguments.json {
        let document = facts(&written, &maker.pipeline, &generated);
        return Ok(writeln!(std::io::stdout(), "{document}")?);
    }
    tell(&written, &generated)
}

impl Arguments {
    fn settings(&self) -> Settings {
        let (steps, guidance) = if self.model == MINI { (model::MINI_STEPS, model::MINI_GUIDANCE) } else { (25, 5.5) };
        let adapter_scale = if self.adapter_block.is_empty() {
            AdapterScale::Uniform(self.adapter_scale)
        } else {
            AdapterScale::PerBlock(self.adapter_block.iter().cloned().collect::<BTreeMap<_, _>>())
        };
        Settings {
            steps: self.steps.map_or(steps, |steps| steps as usize),
            guidance_scale: self.guidance.unwrap_or(guidance),
            adapter_scale,
            adapter_start: self.adapter_start,
            adapter_end: self.adapter_end,
            sampler: self.scheduler,
            karras_sigmas: self.karras,
            width: self.width,
            height: self.height,
            long_prompt: match self.long_prompt {
                Long::Truncate => LongPrompt::Truncate,
                Long::Chunk => LongPrompt::Chunk,
            },
        }
    }

    fn seeds(&self) -> Result<Vec<u64>, Usage> {
        let last = self.seed.checked_add(self.count - 1).ok_or_else(|| {
            Usage(format!("--seed {} with --count {} goes beyond the last seed, {}", self.seed, self.count, u64::MAX))
        })?;
        Ok((self.seed..=last).collect())
    }

    /// What can be said without the checkpoint; its own factor is checked later.
    fn check_size(&self) -> Result<(), Usage> {
        for (flag, side) in [("--width", self.width), ("--height", self.height)] {
            if let Some(side) = side.filter(|side| *side == 0 || !side.is_multiple_of(8)) {
                return Err(Usage(format!("{flag} is {side}, but sizes must be multiples of 8, and at least 8")));
            }
        }
        Ok(())
    }

    fn check_output(&self, seeds: &[u64]) -> anyhow::Result<()> {
        let is_png = self.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        // A folder gets the sentence about folders.
        if !is_png && !self.output.is_dir() {
            let name = self.output.display();
            return Err(Usage(format!("pictures are written as PNG, and {name} does not end in .png")).into());
        }
        for &seed in seeds {
            let path = self.path_of(seed);
            imaging::check_target(&path)?;
            if self.reference.as_deref().is_some_and(|reference| same_file(reference, &path)) {
                let name = path.display();
                return Err(Usage(format!("--output {name} would overwrite the reference")).into());
            }
        }
        Ok(())
    }

    /// The output's file, which carries the seed when there are several.
    fn path_of(&self, seed: u64) -> PathBuf {
        if self.count == 1 {
            return self.output.clone();
        }
        let mut name = self.output.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{seed}"));
        if let Some(extension) = self.output.extension() {
            name.push(".");
            name.push(extension);
        }
        self.output.with_file_name(name)
    }
}

/// The document of `--json`.
fn facts(written: &[Written], pipeline: &Pipeline, generated: &Generated) -> Value {
    let (timings, compute) = (&generated.timings, pipeline.compute());
    let outputs: Vec<Value> = written
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

/// The pictures where there is a terminal for them, and where they are.
fn tell(written: &[Written], generated: &Generated) -> anyhow::Result<()> {
    let captions: Vec<String> = written.iter().map(|output| clean(&output.path.to_string_lossy())).collect();
    let pictures: Vec<_> = generated.outputs.iter().map(|output| &output.picture).collect();
    Ok(show::Screen::of_stdout().pictures(&pictures, &captions)?)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "it is not a number".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    number(text).ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "it must be from 0 to 1".to_owned())
}

fn block(text: &str) -> Result<(String, f64), String> {
    let (name, scale) = text.split_once('=').ok_or("say it as NAME=SCALE, such as up_blocks.1=0.6")?;
    Ok((name.to_owned(), number(scale)?))
}
