//! `demo`: what the program does, on the spot: one drawn person, several prompts, and the adapter turned up.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use image::RgbImage;
use serde::Deserialize;
use serde_json::{Value, json};

use super::interrupt;
use super::making::{Maker, Written};
use super::model::{self, MINI, MINI_GUIDANCE, MINI_STEPS};
use super::progress::Progress;
use super::screen::Screen;
use crate::diffusion::checkpoint::Files;
use crate::diffusion::compute::{BUILT_WITH_CUDA, Compute};
use crate::diffusion::pipeline::{Pipeline, Request};
use crate::diffusion::{self, memory};
use crate::imaging::sheet::{self, Captioned, Row};
use crate::imaging::{self, OpenedPicture, Provenance};
use crate::studio::settings::{AdapterScale, Settings};
use crate::studio::text::clean;

/// See what it does: portraits of a drawn person, made here and now
///
/// Needs no files, no network and no GPU. The embedded model is small and knows drawn portraits only; what it shows is
/// how prompt, reference and adapter scale pull at a picture.
#[derive(Args)]
pub struct Arguments {
    /// The folder for the pictures
    #[arg(long, value_name = "DIR", default_value = "demo")]
    output: PathBuf,

    /// Print what was made as one JSON document
    #[arg(long)]
    json: bool,
}

/// How many of the model's prompts are shown.
const MOST: usize = 6;
/// What the adapter is turned through; the last is the first row's first picture once more.
const SCALES: [f64; 4] = [0.0, 0.3, 0.6, 1.0];

/// `subject/prompts.toml` of the embedded model.
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
    /// Another guidance scale than the usual: how a prompt shows what goes wrong.
    guidance_scale: Option<f64>,
}

/// One picture of the demo.
struct Made {
    written: Written,
    picture: RgbImage,
    caption: String,
    prompt: Prompt,
    scale: f64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    interrupt::listen();
    let started = Instant::now();
    let folder = &arguments.output;
    std::fs::create_dir_all(folder)
        .map_err(|error| imaging::Error::Unwritable { path: folder.clone(), reason: error.to_string() })?;
    let sheet_path = folder.join("sheet.png");
    imaging::check_target(&sheet_path)?;

    let named = model::find(MINI, None, None)?;
    let subject = named.model.files().folder("subject");
    let prompts = prompts(&subject)?;
    let reference_path = folder.join("reference.png");
    imaging::write_atomically(&reference_path, &subject.read("reference.png")?)?;
    let reference = imaging::open_picture(&reference_path)?;

    let screen = (!arguments.json).then(Screen::of_stdout);
    if let Some(screen) = &screen {
        screen.line("The reference: somebody who does not exist, drawn by a program.\n")?;
        screen.pictures(&[&reference.picture], &[clean(&reference_path.to_string_lossy())])?;
    }
    let mut progress = Progress::new(prompts.prompt.len() + SCALES.len() - 1);
    let hashing = named.start_hashing();
    let pipeline = Pipeline::load(&named.model, &Compute::cpu(), &mut progress)?;
    let maker = Maker { ingredients: named.ingredients(hashing)?, sampler: named.checkpoint_sampler()?, pipeline };
    let mut demo = Demo { maker, reference, folder, seed: prompts.seed, progress };

    let by_prompt = demo.by_prompt(&prompts.prompt)?;
    let heading = format!("One person, {} prompts", by_prompt.len());
    demo.show(screen.as_ref(), &heading, &by_prompt)?;
    let by_scale = demo.by_scale(&prompts.prompt[0], &by_prompt[0])?;
    demo.show(screen.as_ref(), "One prompt and one seed, the adapter turned up: what the reference adds", &by_scale)?;
    demo.progress.finish();

    let rows = [(heading.as_str(), &by_prompt), ("The adapter from 0 to 1", &by_scale)];
    demo.write_sheet(&sheet_path, &rows)?;
    let seconds = started.elapsed().as_secs_f64();
    match &screen {
        Some(screen) => demo.explain(screen, &sheet_path, &by_prompt, &by_scale, seconds)?,
        None => {
            let document = demo.facts(&reference_path, &sheet_path, by_prompt.iter().chain(&by_scale), seconds);
            Screen::of_stdout().line(&document.to_string())?;
        }
    }
    Ok(())
}

struct Demo<'a> {
    maker: Maker,
    reference: OpenedPicture,
    folder: &'a Path,
    seed: u64,
    progress: Progress,
}

impl Demo<'_> {
    /// The same person under several prompts.
    fn by_prompt(&mut self, prompts: &[Prompt]) -> anyhow::Result<Vec<Made>> {
        let one = |(number, prompt): (usize, &Prompt)| {
            let path = self.folder.join(format!("prompt-{}.png", number + 1));
            self.make(prompt, 1.0, prompt.caption.clone(), path)
        };
        prompts.iter().enumerate().map(one).collect()
    }

    /// The first prompt with less of the adapter; `full` is there already.
    fn by_scale(&mut self, prompt: &Prompt, full: &Made) -> anyhow::Result<Vec<Made>> {
        let mut one = |scale: f64| {
            let path = self.folder.join(format!("scale-{scale}.png"));
            self.make(prompt, scale, format!("scale {scale}"), path)
        };
        let mut made =
            SCALES[..SCALES.len() - 1].iter().map(|&scale| one(scale)).collect::<anyhow::Result<Vec<_>>>()?;
        made.push(Made {
            written: Written {
                path: full.written.path.clone(),
                seed: full.written.seed,
                hash: full.written.hash.clone(),
            },
            picture: full.picture.clone(),
            caption: format!("scale {}", full.scale),
            prompt: full.prompt.clone(),
            scale: full.scale,
        });
        Ok(made)
    }

    fn make(&mut self, prompt: &Prompt, scale: f64, caption: String, path: PathBuf) -> anyhow::Result<Made> {
        let request = Request {
            prompt: prompt.prompt.clone(),
            negative: prompt.negative.clone(),
            reference: Some(self.reference.picture.clone()),
            seeds: vec![self.seed],
            batch: 1,
            settings: Settings {
                steps: MINI_STEPS,
                guidance_scale: prompt.guidance_scale.unwrap_or(MINI_GUIDANCE),
                adapter_scale: AdapterScale::Uniform(scale),
                ..Settings::default()
            },
        };
        self.progress.label(&caption);
        let (mut written, mut generated) =
            self.maker.make(&request, Some(&self.reference.hash), |_| path.clone(), &mut self.progress)?;
        // One seed makes one picture.
        let (written, output) = (written.remove(0), generated.outputs.remove(0));
        Ok(Made { written, picture: output.picture, caption, prompt: prompt.clone(), scale })
    }

    fn show(&self, screen: Option<&Screen>, heading: &str, made: &[Made]) -> io::Result<()> {
        let Some(screen) = screen else { return Ok(()) };
        let pictures: Vec<&RgbImage> = made.iter().map(|made| &made.picture).collect();
        let captions: Vec<String> = made
            .iter()
            .map(|made| {
                if screen.shows_pictures() {
                    made.caption.clone()
                } else {
                    format!("{}: {}", clean(&made.written.path.to_string_lossy()), made.caption)
                }
            })
            .collect();
        self.progress.aside(|| {
            screen.line(&format!("{heading}\n"))?;
            screen.pictures(&pictures, &captions)
        })
    }

    fn write_sheet(&self, path: &Path, rows: &[(&str, &Vec<Made>)]) -> imaging::Result<String> {
        let reference = Captioned { picture: self.reference.picture.clone(), caption: "the reference".to_owned() };
        let mut sheet_rows: Vec<Row> = rows
            .iter()
            .map(|(heading, made)| Row {
                heading: (*heading).to_owned(),
                pictures: made
                    .iter()
                    .map(|made| Captioned { picture: made.picture.clone(), caption: made.caption.clone() })
                    .collect(),
            })
            .collect();
        // Each row begins with the reference, to compare with.
        for row in &mut sheet_rows {
            let copy = Captioned { picture: reference.picture.clone(), caption: reference.caption.clone() };
            row.pictures.insert(0, copy);
        }
        let parts: Vec<&str> =
            rows.iter().flat_map(|(_, made)| made.iter().map(|made| made.written.hash.as_str())).collect();
        let provenance = Provenance::composed(json!({"sheet_of": parts, "reference": {"blake3": self.reference.hash}}));
        imaging::write_png(path, &sheet::draw(&sheet_rows, 192), &provenance)
    }

    /// Where the files are, the commands that make them again, and what to try next.
    fn explain(
        &self,
        screen: &Screen,
        sheet: &Path,
        by_prompt: &[Made],
        by_scale: &[Made],
        seconds: f64,
    ) -> io::Result<()> {
        let program = program();
        screen
            .line(&format!("Made in {seconds:.0} s. All of it on one sheet: {}\n", clean(&sheet.to_string_lossy())))?;
        screen.line("The commands that make these pictures again, to the byte:\n")?;
        // The last of the second row is the first of the first.
        for made in by_prompt.iter().chain(&by_scale[..by_scale.len() - 1]) {
            screen.line(&format!("  {program} {}", quoted(&self.command(made))))?;
        }
        screen.line("\nWhat to try next:\n")?;
        let reference = quoted(&[self.folder.join("reference.png").to_string_lossy().into_owned()]);
        for (what, command) in [
            ("other words", format!("generate --reference {reference} --prompt TEXT --output mine.png")),
            ("more of a kind", "generate … --count 6 --output mine.png".to_owned()),
            (
                "a checkpoint of your own",
                "generate --model DIR --adapter FILE --reference PICTURE --prompt TEXT --output mine.png".to_owned(),
            ),
            ("this machine", "doctor".to_owned()),
        ] {
            screen.line(&format!("  {what:<25} {program} {command}"))?;
        }
        Ok(())
    }

    /// The arguments of the command that makes a picture again.
    fn command(&self, made: &Made) -> Vec<String> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut words = vec!["generate".to_owned()];
        let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
        add("--reference", path(&self.folder.join("reference.png")));
        add("--prompt", made.prompt.prompt.clone());
        if !made.prompt.negative.is_empty() {
            add("--negative", made.prompt.negative.clone());
        }
        add("--seed", made.written.seed.to_string());
        // What is not said here has the same default there.
        if made.scale != 1.0 {
            add("--adapter-scale", made.scale.to_string());
        }
        if let Some(guidance) = made.prompt.guidance_scale {
            add("--guidance", guidance.to_string());
        }
        if BUILT_WITH_CUDA {
            add("--device", "cpu".to_owned());
        }
        add("--output", path(&made.written.path));
        words
    }

    /// The document of `--json`.
    fn facts<'m>(&self, reference: &Path, sheet: &Path, made: impl Iterator<Item = &'m Made>, seconds: f64) -> Value {
        let pictures: Vec<Value> = made
            .map(|made| {
                json!({
                    "path": made.written.path.to_string_lossy(),
                    "seed": made.written.seed,
                    "hash": made.written.hash,
                    "caption": made.caption,
                    "prompt": made.prompt.prompt,
                    "adapter_scale": made.scale,
                    "guidance_scale": made.prompt.guidance_scale.unwrap_or(MINI_GUIDANCE),
                    "command": self.command(made),
                })
            })
            .collect();
        let compute = self.maker.pipeline.compute();
        json!({
            "reference": reference.to_string_lossy(),
            "sheet": sheet.to_string_lossy(),
            "pictures": pictures,
            "device": compute.device_name(),
            "dtype": compute.dtype_name(),
            "seconds": seconds,
            "peak_memory_bytes": memory::peak(),
        })
    }
}

fn prompts(subject: &Files) -> diffusion::Result<Prompts> {
    const NAME: &str = "prompts.toml";
    let bad = |reason: String| diffusion::Error::BadConfig { path: subject.path_of(NAME), reason };
    let bytes = subject.read(NAME)?;
    let mut prompts: Prompts = toml::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    prompts.prompt.truncate(MOST);
    if prompts.prompt.is_empty() { Err(bad("it names no prompt".to_owned())) } else { Ok(prompts) }
}

/// How this program was called, so that its own commands can be pasted.
fn program() -> String {
    let name = std::env::args().next().filter(|name| !name.is_empty());
    quoted(&[name.unwrap_or_else(|| "pentimento".to_owned())])
}

/// Words as a shell reads them back.
fn quoted(words: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    let quote = |word: &String| {
        let word = clean(word);
        if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["--prompt", "it's a portrait", "", "demo/a.png"].map(str::to_owned);
        assert_eq!(quoted(&words), r"--prompt 'it'\''s a portrait' '' demo/a.png");
    }
}
