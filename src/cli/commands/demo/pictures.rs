//! Generates the pictures of the demo and puts them on one sheet.

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde_json::json;

use super::Prompt;
use crate::cli::generation::{Generator, SavedPicture};
use crate::cli::output::progress::Progress;
use crate::diffusion::compute::Compute;
use crate::diffusion::pipeline::{Pipeline, Request};
use crate::imaging::sheet::{self, Captioned, Row};
use crate::imaging::{self, OpenedPicture, Provenance};
use crate::service::models::MINI;
use crate::studio::settings::{AdapterScale, Settings};
use crate::worker::model::NamedModel;

/// The adapter scales of the second row. The last one is the scale of the first row.
pub const SCALES: [f64; 4] = [0.0, 0.3, 0.6, 1.0];

pub struct DemoPicture {
    pub saved: SavedPicture,
    pub picture: RgbImage,
    pub caption: String,
    pub prompt: Prompt,
    pub scale: f64,
}

pub struct Painter<'a> {
    pub generator: Generator,
    pub progress: Progress,
    pub folder: &'a Path,
    reference: OpenedPicture,
    seed: u64,
}

impl<'a> Painter<'a> {
    /// Loads the built-in model on the CPU.
    pub fn load(
        named: &NamedModel,
        reference: OpenedPicture,
        folder: &'a Path,
        seed: u64,
        mut progress: Progress,
    ) -> anyhow::Result<Self> {
        let hashing = named.start_hashing();
        let pipeline = Pipeline::load(&named.model, &Compute::cpu(), &mut progress)?;
        let generator =
            Generator { ingredients: named.ingredients(hashing)?, sampler: named.checkpoint_sampler()?, pipeline };
        Ok(Self { generator, progress, folder, reference, seed })
    }

    /// One picture for each prompt.
    pub fn by_prompt(&mut self, prompts: &[Prompt]) -> anyhow::Result<Vec<DemoPicture>> {
        let one = |(number, prompt): (usize, &Prompt)| {
            let path = self.folder.join(format!("prompt-{}.png", number + 1));
            self.generate(prompt, 1.0, prompt.caption.clone(), path)
        };
        prompts.iter().enumerate().map(one).collect()
    }

    /// One picture for each adapter scale; `full` already has the last one.
    pub fn by_scale(&mut self, prompt: &Prompt, full: &DemoPicture) -> anyhow::Result<Vec<DemoPicture>> {
        let mut one = |scale: f64| {
            let path = self.folder.join(format!("scale-{scale}.png"));
            self.generate(prompt, scale, format!("scale {scale}"), path)
        };
        let lower = &SCALES[..SCALES.len() - 1];
        let mut pictures = lower.iter().map(|&scale| one(scale)).collect::<anyhow::Result<Vec<_>>>()?;
        pictures.push(DemoPicture {
            saved: full.saved.clone(),
            picture: full.picture.clone(),
            caption: format!("scale {}", full.scale),
            prompt: full.prompt.clone(),
            scale: full.scale,
        });
        Ok(pictures)
    }

    fn generate(&mut self, prompt: &Prompt, scale: f64, caption: String, path: PathBuf) -> anyhow::Result<DemoPicture> {
        let default = Settings::for_checkpoint(MINI);
        let request = Request {
            prompt: prompt.prompt.clone(),
            negative: prompt.negative.clone(),
            reference: Some(self.reference.picture.clone()),
            seeds: vec![self.seed],
            batch: 1,
            settings: Settings {
                guidance_scale: prompt.guidance_scale.unwrap_or(default.guidance_scale),
                adapter_scale: AdapterScale::Uniform(scale),
                ..default
            },
        };
        self.progress.label(&caption);
        let (mut saved, mut generated) =
            self.generator.run(&request, Some(&self.reference.hash), |_| path.clone(), &mut self.progress)?;
        // One seed gives one picture.
        let (saved, output) = (saved.remove(0), generated.outputs.remove(0));
        Ok(DemoPicture { saved, picture: output.picture, caption, prompt: prompt.clone(), scale })
    }

    /// Writes a sheet with the reference at the start of each row.
    pub fn write_sheet(&self, path: &Path, rows: &[(&str, &Vec<DemoPicture>)]) -> imaging::Result<String> {
        let captioned =
            |picture: &RgbImage, caption: &str| Captioned { picture: picture.clone(), caption: caption.to_owned() };
        let row = |(heading, pictures): &(&str, &Vec<DemoPicture>)| {
            let reference = captioned(&self.reference.picture, "the reference");
            let pictures = pictures.iter().map(|picture| captioned(&picture.picture, &picture.caption));
            Row { heading: (*heading).to_owned(), pictures: std::iter::once(reference).chain(pictures).collect() }
        };
        let sheet_rows: Vec<Row> = rows.iter().map(row).collect();
        let hashes: Vec<&str> =
            rows.iter().flat_map(|(_, pictures)| pictures.iter().map(|picture| picture.saved.hash.as_str())).collect();
        let record = json!({"sheet_of": hashes, "reference": {"blake3": self.reference.hash}});
        imaging::write_png(path, &sheet::draw(&sheet_rows, 192), &Provenance::composed(record))
    }
}
