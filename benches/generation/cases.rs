//! The cases, and the child process that measures one of them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use pentimento::diffusion::compute::Compute;
use pentimento::diffusion::model::Model;
use pentimento::diffusion::observer::{Event, Unobserved};
use pentimento::diffusion::pipeline::{Pipeline, Request};
use pentimento::studio::settings::Settings;
use serde::{Deserialize, Serialize};

use crate::checkpoint;

/// The prompt for both programs. The built-in model knows these words.
const PROMPT: &str = "a portrait photo of a woman with red hair, soft light";

/// A checkpoint, and the number of steps to measure.
pub struct Case {
    pub name: &'static str,
    pub title: &'static str,
    pub folder: PathBuf,
    pub steps: usize,
}

/// The figures of one process.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub load_s: f64,
    /// The seconds of each denoising step.
    pub step_s: Vec<f64>,
    pub decode_s: f64,
    pub peak_bytes: u64,
}

impl Measured {
    /// The median step, without the first, which includes warm-up.
    pub fn step(&self) -> f64 {
        let mut steps = self.step_s.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(&self.step_s).to_vec();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Case {
    pub fn all(data: &Path) -> [Self; 2] {
        let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mini");
        [
            Self { name: "mini", title: "Built-in model at its own size", folder: mini, steps: 25 },
            Self {
                name: "sd15",
                title: "Stable Diffusion 1.5's size with random weights, 512×512",
                folder: data.join("sd15"),
                steps: 4,
            },
        ]
    }

    /// Writes the files that the case needs. Returns a reason if it has to be skipped.
    pub fn prepare(&self) -> Result<Option<String>> {
        if self.name == "sd15" {
            checkpoint::write_once(&self.folder)?;
        }
        let there = self.folder.join("model_index.json").is_file();
        Ok((!there).then(|| format!("skipped: no checkpoint in {}", self.folder.display())))
    }
}

/// Runs one generation in this process. Prints its figures as JSON and writes its pixels to a file. The arguments are
/// FOLDER STEPS PICTURE.
pub fn run_child(words: &[String]) -> Result<()> {
    let [folder, steps, picture] = words else { bail!("--child FOLDER STEPS PICTURE") };
    let settings = Settings { steps: steps.parse()?, guidance_scale: 7.5, ..Settings::default() };
    let started = Instant::now();
    let model = Model::folder(folder).without_adapter();
    let pipeline = Pipeline::load(&model, &Compute::cpu(), &mut Unobserved)?;
    let load_s = started.elapsed().as_secs_f64();
    let request = Request {
        prompt: PROMPT.to_owned(),
        negative: String::new(),
        reference: None,
        seeds: vec![7],
        batch: 1,
        settings,
    };
    let mut observer = |_: Event<'_>| ControlFlow::Continue(());
    let generated = pipeline.generate(&request, &mut observer)?;
    std::fs::write(picture, generated.outputs[0].picture.as_raw()).with_context(|| format!("writing {picture}"))?;
    let timings = generated.timings;
    let peak_bytes = peak_bytes().unwrap_or(0);
    let measured = Measured { load_s, step_s: timings.step_s, decode_s: timings.decode_s, peak_bytes };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// This process's peak memory, including mapped files.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
