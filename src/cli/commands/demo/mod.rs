//! `demo`: portraits of one fictional person, with several prompts and with several adapter scales.
//!
//! - `pictures`: generates them; `script`: the commands that reproduce them

mod pictures;
mod script;

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use image::RgbImage;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::interrupt;
use crate::cli::output::print;
use crate::cli::output::progress::Progress;
use crate::cli::output::screen::Screen;
use crate::diffusion::checkpoint::Files;
use crate::diffusion::{self, memory};
use crate::imaging;
use crate::service::models::{self, MINI};
use crate::studio::recipe::Model;
use crate::studio::settings::Settings;
use crate::studio::text::clean;

use pictures::{DemoPicture, Painter, SCALES};

/// Generate portraits of a fictional person with the built-in model, on the CPU, in under 30 seconds
///
/// Needs no files, no network and no GPU. The built-in model is small and only knows drawn portraits. The demo shows how
/// prompt, reference and adapter scale change a picture.
#[derive(Args)]
pub struct Arguments {
    /// The folder for the pictures
    #[arg(long, value_name = "DIR", default_value = "demo")]
    output: PathBuf,

    /// Print the pictures as one JSON document
    #[arg(long)]
    json: bool,
}

/// The number of the model's prompts that are used.
const PROMPTS: usize = 6;

/// `subject/prompts.toml` of the built-in model.
#[derive(Deserialize)]
struct Prompts {
    seed: u64,
    prompt: Vec<Prompt>,
}

#[derive(Clone, Deserialize)]
struct Prompt {
    caption: String,
    prompt: String,
    #[serde(default)]
    negative: String,
    /// Replaces the default guidance scale, to show a failure.
    guidance_scale: Option<f64>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    interrupt::listen();
    let started = Instant::now();
    let folder = &arguments.output;
    std::fs::create_dir_all(folder)
        .map_err(|error| imaging::Error::Unwritable { path: folder.clone(), reason: error.to_string() })?;
    let sheet_path = folder.join("sheet.png");
    imaging::check_target(&sheet_path)?;

    let named = models::find(&Model::named(MINI))?;
    let subject = named.model.files().folder("subject");
    let prompts = prompts(&subject)?;
    let reference_path = folder.join("reference.png");
    imaging::write_atomically(&reference_path, &subject.read("reference.png")?)?;
    let reference = imaging::open_picture(&reference_path)?;

    let screen = (!arguments.json).then(Screen::of_stdout);
    if let Some(screen) = &screen {
        let folder = clean(&folder.to_string_lossy());
        screen
            .line(&format!("Portraits of a fictional person; {folder}/sheet.png shows them all. The reference:\n"))?;
        screen.pictures(&[&reference.picture], &[clean(&reference_path.to_string_lossy())])?;
    }
    let progress = Progress::new(prompts.prompt.len() + SCALES.len() - 1);
    let mut painter = Painter::load(&named, reference, folder, prompts.seed, progress)?;

    let by_prompt = painter.by_prompt(&prompts.prompt)?;
    let heading = format!("One person, {} prompts", by_prompt.len());
    show(&painter, screen.as_ref(), &heading, &by_prompt)?;
    let by_scale = painter.by_scale(&prompts.prompt[0], &by_prompt[0])?;
    show(&painter, screen.as_ref(), "One prompt and seed, adapter scale from 0 to 1", &by_scale)?;
    painter.progress.finish();

    painter.write_sheet(&sheet_path, &[(&heading, &by_prompt), ("Adapter scale from 0 to 1", &by_scale)])?;
    let script_path = folder.join("commands.sh");
    // The last picture by scale is the first one by prompt.
    let distinct = by_prompt.iter().chain(&by_scale[..by_scale.len() - 1]);
    script::write(&script_path, distinct)?;
    match &screen {
        Some(_) => print::line(&format!(
            "To reproduce them exactly: {}. Now open the workbench: {}",
            script_path.display(),
            script::program()
        ))?,
        None => {
            let pictures: Vec<Value> =
                by_prompt.iter().chain(&by_scale).map(|picture| facts(&painter, picture)).collect();
            let compute = painter.generator.pipeline.compute();
            print::document(&json!({
                "reference": reference_path.to_string_lossy(),
                "sheet": sheet_path.to_string_lossy(),
                "script": script_path.to_string_lossy(),
                "pictures": pictures,
                "device": compute.device_name(),
                "dtype": compute.dtype_name(),
                "seconds": started.elapsed().as_secs_f64(),
                "peak_memory_bytes": memory::peak(),
            }))?;
        }
    }
    Ok(())
}

/// Shows one row of pictures. Without pictures in the terminal, shows their paths.
fn show(painter: &Painter, screen: Option<&Screen>, heading: &str, row: &[DemoPicture]) -> io::Result<()> {
    let Some(screen) = screen else { return Ok(()) };
    let pictures: Vec<&RgbImage> = row.iter().map(|picture| &picture.picture).collect();
    let caption = |picture: &DemoPicture| {
        if screen.shows_pictures() {
            picture.caption.clone()
        } else {
            format!("{}: {}", clean(&picture.saved.path.to_string_lossy()), picture.caption)
        }
    };
    let captions: Vec<String> = row.iter().map(caption).collect();
    painter.progress.aside(|| {
        screen.line(&format!("{heading}\n"))?;
        screen.pictures(&pictures, &captions)
    })
}

/// One picture of `--json`. Its command works in the folder where the demo ran.
fn facts(painter: &Painter, picture: &DemoPicture) -> Value {
    let reference = painter.folder.join("reference.png");
    json!({
        "path": picture.saved.path.to_string_lossy(),
        "seed": picture.saved.seed,
        "hash": picture.saved.hash,
        "caption": picture.caption,
        "prompt": picture.prompt.prompt,
        "adapter_scale": picture.scale,
        "guidance_scale": picture.prompt.guidance_scale.unwrap_or(Settings::for_checkpoint(MINI).guidance_scale),
        "command": script::command(picture, &reference, &picture.saved.path),
    })
}

fn prompts(subject: &Files) -> diffusion::Result<Prompts> {
    const NAME: &str = "prompts.toml";
    let bad = |reason: String| diffusion::Error::BadConfig { path: subject.path_of(NAME), reason };
    let bytes = subject.read(NAME)?;
    let mut prompts: Prompts = toml::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    prompts.prompt.truncate(PROMPTS);
    if prompts.prompt.is_empty() { Err(bad("it has no prompt".to_owned())) } else { Ok(prompts) }
}
