//! Single calls of the UNet, with and without an adapter.

use std::collections::BTreeMap;

use candle_core::Tensor;
use pentimento::diffusion::unet::LayerScales;
use pentimento::studio::settings::AdapterScale;
use serde::Deserialize;

use crate::checkpoint::{self, AdapterFolder, Checkpoint};
use crate::comparison::Comparison;
use crate::golden::Golden;

#[derive(Deserialize)]
struct Facts {
    plain: Vec<PlainCase>,
    adapters: Vec<AdapterCase>,
}

#[derive(Deserialize)]
struct PlainCase {
    tensor: String,
    timestep: f64,
    prompt: String,
}

#[derive(Deserialize)]
struct AdapterCase {
    kind: String,
    /// The numbers of the cross-attentions in the adapter's file.
    layers: Vec<usize>,
    positive: String,
    negative: String,
    steps: Vec<StepCase>,
}

#[derive(Deserialize)]
struct StepCase {
    tensor: String,
    timestep: f64,
    scale: Scale,
}

/// One adapter scale, or scales by prefixes of block names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Scale {
    Uniform(f64),
    PerBlock(BTreeMap<String, f64>),
}

impl Scale {
    pub fn setting(&self) -> AdapterScale {
        match self {
            Self::Uniform(scale) => AdapterScale::Uniform(*scale),
            Self::PerBlock(scales) => AdapterScale::PerBlock(scales.clone()),
        }
    }
}

#[test]
fn unet_output_matches_without_adapter() {
    let mut comparison = Comparison::of("UNet without adapter");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let checkpoint = Checkpoint::load(name);
        let off = LayerScales::off(checkpoint.unet.sites());
        for case in &golden.facts.plain {
            let text = checkpoint.text(&[&case.prompt]);
            let conditioning = checkpoint.unet.conditioning(&text, None).unwrap();
            let sample = golden.tensor(&format!("{}.sample", case.tensor));
            let output = checkpoint.unet.forward(sample, case.timestep, &conditioning, &off, None).unwrap();
            let label = format!("{name}, {} at {}", case.tensor, case.timestep);
            comparison.tensor(&label, &output, golden.tensor(&format!("{}.output", case.tensor)));
        }
    }
    comparison.finish();
}

#[test]
fn unet_output_matches_with_adapter() {
    let mut comparison = Comparison::of("UNet with adapter");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let checkpoint = Checkpoint::load(name);
        let folder = AdapterFolder::load(name);
        let unet = &checkpoint.unet;
        for case in &golden.facts.adapters {
            let adapter = folder.adapter(&case.kind);
            let tokens = golden.tensor(&format!("{}.tokens", case.kind));
            let text = checkpoint.text(&[&case.negative, &case.positive]);
            let conditioning = unet.conditioning(&text, Some((&adapter, tokens))).unwrap();
            for step in &case.steps {
                let scales = LayerScales::new(unet.sites(), &step.scale.setting());
                let sample: &Tensor = golden.tensor(&format!("{}.sample", step.tensor));
                let output = unet.forward(sample, step.timestep, &conditioning, &scales, None).unwrap();
                let label = format!("{name}, {}, scale {:?}", step.tensor, step.scale);
                comparison.tensor(&label, &output, golden.tensor(&format!("{}.output", step.tensor)));
            }
        }
    }
    comparison.finish();
}

#[test]
fn adapter_layer_numbers_match() {
    let mut comparison = Comparison::of("numbers of adapter layers");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let unet = Checkpoint::load(name).unet;
        let folder = AdapterFolder::load(name);
        let numbers: Vec<usize> = unet.sites().numbered_widths().iter().map(|(number, _)| *number).collect();
        for case in &golden.facts.adapters {
            let adapter = folder.adapter(&case.kind);
            comparison.equal(&format!("{name}, {} and the UNet", case.kind), &numbers, &case.layers);
            comparison.equal(&format!("{name}, {}", case.kind), &adapter.layer_numbers(), &case.layers);
            let fits = adapter.fits(&unet.sites().numbered_widths(), unet.sites().context());
            comparison.equal(&format!("{name}, {} fits", case.kind), &fits.map_err(|error| error.to_string()), &Ok(()));
        }
    }
    comparison.finish();
}
