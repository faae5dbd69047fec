//! Whole generations: the latents after each step, and the pictures of the pipeline.

use candle_core::{Device, Tensor};
use image::RgbImage;
use pentimento::diffusion::compute::Compute;
use pentimento::diffusion::model::Model;
use pentimento::diffusion::noise::Generator;
use pentimento::diffusion::observer::Unobserved;
use pentimento::diffusion::pipeline::{Pipeline, Request};
use pentimento::diffusion::scheduler;
use pentimento::diffusion::unet::LayerScales;
use pentimento::studio::settings::{AdapterScale, Sampler, Settings};
use serde::Deserialize;

use crate::checkpoint::{self, AdapterFolder, Checkpoint};
use crate::comparison::Comparison;
use crate::golden::{self, Golden, data};
use crate::unet::Scale;

#[derive(Deserialize)]
struct Facts {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tensor: String,
    label: String,
    adapter: Option<String>,
    sampler: String,
    karras: Option<bool>,
    width: usize,
    height: usize,
    seeds: Vec<String>,
    steps: usize,
    guidance: f64,
    scale: Scale,
    /// The adapter is on between these two shares of the steps.
    active: [f64; 2],
    prompt: String,
    negative: Option<String>,
    reference: String,
}

impl Case {
    fn label(&self, checkpoint: &str) -> String {
        let Self { tensor, label, adapter, sampler, karras, width, height, .. } = self;
        let adapter = adapter.as_deref().unwrap_or("no adapter");
        let karras = if *karras == Some(true) { " karras" } else { "" };
        format!("{checkpoint} {tensor} ({label}: {adapter}, {sampler}{karras}, {width}×{height})")
    }

    fn seeds(&self) -> Vec<u64> {
        self.seeds.iter().map(|seed| seed.parse().unwrap()).collect()
    }

    fn negative(&self) -> &str {
        self.negative.as_deref().unwrap_or("")
    }

    fn sampler(&self) -> Sampler {
        self.sampler.parse().unwrap()
    }

    /// Whether the adapter is on at step `index` of `of`, counted from 0.
    fn is_active(&self, index: usize, of: usize) -> bool {
        let (index, of) = (index as f64, of as f64);
        index / of >= self.active[0] && (index + 1.0) / of <= self.active[1]
    }

    fn settings(&self) -> Settings {
        Settings {
            steps: self.steps,
            guidance_scale: self.guidance,
            adapter_scale: self.scale.setting(),
            adapter_start: self.active[0],
            adapter_end: self.active[1],
            sampler: Some(self.sampler()),
            karras_sigmas: self.karras,
            width: Some(self.width),
            height: Some(self.height),
            ..Settings::default()
        }
    }

    fn request(&self, batch: usize) -> Request {
        Request {
            prompt: self.prompt.clone(),
            negative: self.negative().to_owned(),
            reference: self.adapter.as_ref().map(|_| golden::picture(&self.reference)),
            seeds: self.seeds(),
            batch,
            settings: self.settings(),
        }
    }
}

#[test]
fn latents_after_each_step_match_sd1() {
    compare_latents("sd1", "latents, sd1");
}

#[test]
fn latents_after_each_step_match_vpred() {
    compare_latents("vpred", "latents, vpred");
}

#[test]
fn pictures_match_sd1() {
    compare_pictures("sd1", "pictures, sd1");
}

#[test]
fn pictures_match_vpred() {
    compare_pictures("vpred", "pictures, vpred");
}

/// Runs the components directly instead of the pipeline, to see the latents between the steps.
fn compare_latents(name: &str, what: &'static str) {
    let golden = Golden::<Facts>::load(&format!("{name}-runs"));
    let checkpoint = Checkpoint::load(name);
    let folder = AdapterFolder::load(name);
    let mut comparison = Comparison::of(what);
    for case in &golden.facts.cases {
        let latents = denoise(&checkpoint, &folder, case);
        let expected = golden.tensor(&format!("{}.latents", case.tensor));
        for (index, latents) in latents.iter().enumerate() {
            let label = format!("{} after step {index}", case.label(name));
            comparison.tensor(&label, latents, &expected.get(index).unwrap());
        }
    }
    comparison.finish();
}

fn denoise(checkpoint: &Checkpoint, folder: &AdapterFolder, case: &Case) -> Vec<Tensor> {
    let guided = case.guidance > 1.0;
    let unet = &checkpoint.unet;
    let text = match guided {
        true => checkpoint.text(&[case.negative(), &case.prompt]),
        false => checkpoint.text(&[&case.prompt]),
    };
    let adapter = case.adapter.as_deref().map(|kind| folder.adapter(kind));
    let image = adapter.as_ref().map(|adapter| {
        let pixels = folder.preprocessor.pixel_values(&golden::picture(&case.reference), &Device::Cpu).unwrap();
        let tokens = adapter.image_tokens(&folder.encoder, &pixels).unwrap();
        let rows = if guided { vec![tokens.unconditional, tokens.conditional] } else { vec![tokens.conditional] };
        (adapter, Tensor::cat(&rows, 0).unwrap())
    });
    let image = image.as_ref().map(|(adapter, tokens)| (*adapter, tokens));
    let seeds = case.seeds();
    let conditioning = unet.conditioning(&text, image).unwrap().repeat(seeds.len()).unwrap();

    let factor = checkpoint.vae.factor();
    let shape = (1, unet.in_channels(), case.height / factor, case.width / factor);
    let mut generators: Vec<Generator> = seeds.into_iter().map(Generator::new).collect();
    let mut noise = || {
        let rows = generators.iter_mut().map(|generator| {
            let values = generator.randn(shape.1 * shape.2 * shape.3);
            Tensor::from_vec(values, shape, &Device::Cpu)
        });
        Ok(Tensor::cat(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    };
    let mut scheduler = scheduler::build(case.sampler(), &checkpoint.scheduler, case.steps, case.karras).unwrap();
    let mut latents = (noise().unwrap() * scheduler.init_noise_sigma()).unwrap();
    let scales = LayerScales::new(unet.sites(), &case.scale.setting());
    let off = LayerScales::off(unet.sites());
    let timesteps = scheduler.timesteps().to_vec();
    let mut after = vec![];
    for (index, &timestep) in timesteps.iter().enumerate() {
        let scales = if case.is_active(index, timesteps.len()) { &scales } else { &off };
        let input = scheduler.scale_model_input(&latents, index).unwrap();
        let input = if guided { Tensor::cat(&[&input, &input], 0).unwrap() } else { input };
        let output = unet.forward(&input, timestep, &conditioning, scales, None).unwrap();
        let output = if guided { guide(&output, case.guidance).unwrap() } else { output };
        latents = scheduler.step(&output, index, &latents, &mut noise).unwrap().sample;
        after.push(latents.clone());
    }
    after
}

/// [negative × seeds, positive × seeds] → negative + guidance · (positive − negative).
fn guide(output: &Tensor, guidance: f64) -> candle_core::Result<Tensor> {
    let parts = output.chunk(2, 0)?;
    let difference = ((&parts[1] - &parts[0])? * guidance)?;
    &parts[0] + difference
}

fn compare_pictures(name: &str, what: &'static str) {
    let golden = Golden::<Facts>::load(&format!("{name}-runs"));
    let mut comparison = Comparison::of(what);
    for kind in [None].into_iter().chain(checkpoint::ADAPTERS.map(Some)) {
        let pipeline = pipeline(name, kind);
        for case in golden.facts.cases.iter().filter(|case| case.adapter.as_deref() == kind) {
            let expected = golden.tensor(&format!("{}.pictures", case.tensor));
            // The batch size must not change the pictures.
            for batch in if case.seeds.len() > 1 { vec![1, case.seeds.len()] } else { vec![1] } {
                let label = format!("{}, batches of {batch}", case.label(name));
                let made = match pipeline.generate(&case.request(batch), &mut Unobserved) {
                    Ok(made) => made,
                    Err(error) => {
                        comparison.fail(&label, &error.to_string());
                        continue;
                    }
                };
                let seeds: Vec<u64> = made.outputs.iter().map(|output| output.seed).collect();
                comparison.equal(&format!("{label}, seeds"), &seeds, &case.seeds());
                for (row, output) in made.outputs.iter().enumerate() {
                    let expected = expected.get(row).unwrap();
                    compare_picture(&label, &output.picture, &expected, &mut comparison);
                }
            }
        }
    }
    comparison.finish();
}

fn compare_picture(label: &str, found: &RgbImage, expected: &Tensor, comparison: &mut Comparison) {
    let (height, width, _) = expected.dims3().unwrap();
    let size = (found.width() as usize, found.height() as usize);
    comparison.equal(&format!("{label}, size"), &size, &(width, height));
    comparison.picture(label, found.as_raw(), &expected.flatten_all().unwrap().to_vec1::<u8>().unwrap());
}

fn pipeline(name: &str, adapter: Option<&str>) -> Pipeline {
    let mut model = Model::folder(data().join(name));
    if let Some(kind) = adapter {
        let folder = data().join(format!("{name}-adapters"));
        let file = folder.join(format!("ip-adapter_{kind}.safetensors"));
        model = model.with_adapter(&file, Some(&folder.join("image_encoder"))).unwrap();
    }
    Pipeline::load(&model, &Compute::cpu(), &mut Unobserved).unwrap()
}

/// The golden for scale 0 agrees with diffusers; this compares it with a pipeline that has no adapter.
#[test]
fn scale_zero_equals_no_adapter() {
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-runs"));
        let case = golden.facts.cases.iter().find(|case| case.label == "scale 0.0").unwrap();
        assert_eq!(case.scale.setting(), AdapterScale::Uniform(0.0));
        let with = pipeline(name, Some("linear")).generate(&case.request(1), &mut Unobserved).unwrap();
        let request = Request { reference: None, ..case.request(1) };
        let without = pipeline(name, None).generate(&request, &mut Unobserved).unwrap();
        assert_eq!(with.outputs[0].picture, without.outputs[0].picture, "{name}");
    }
}
