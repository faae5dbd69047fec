//! One cross-attention alone, against diffusers with the same weights. `tests/parity` sees whole UNets only, but its
//! goldens contain these.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::*;
use crate::diffusion::adapter::Adapter;
use crate::diffusion::checkpoint::{Files, UNetConfig};
use crate::diffusion::unet::{Conditioning, LayerScales, UNet};
use crate::studio::settings::AdapterScale;

const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Facts {
    adapters: Vec<AdapterCase>,
}

#[derive(Deserialize)]
struct AdapterCase {
    kind: String,
    attentions: Vec<AttentionCase>,
}

#[derive(Deserialize)]
struct AttentionCase {
    name: String,
    heads: usize,
    scales: Vec<f64>,
}

#[test]
fn a_cross_attention_of_sd1_equals_that_of_diffusers() {
    compare("sd1");
}

#[test]
fn a_cross_attention_of_vpred_equals_that_of_diffusers() {
    compare("vpred");
}

fn compare(checkpoint: &str) {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parity/data");
    let goldens = data.join("goldens");
    let facts = std::fs::read(goldens.join(format!("{checkpoint}-joints.json"))).unwrap();
    let facts: Facts = serde_json::from_slice(&facts).unwrap();
    let file = goldens.join(format!("{checkpoint}-joints.safetensors"));
    let golden: HashMap<String, Tensor> = candle_core::safetensors::load(file, &Device::Cpu).unwrap();

    let folder = Files::on_disk(data.join(checkpoint)).folder("unet");
    let weights = Weights::open(&folder, "diffusion_pytorch_model", DType::F32, &Device::Cpu).unwrap();
    let config: UNetConfig = folder.json("config.json").unwrap();
    let unet = UNet::load(&weights, &config).unwrap();
    let text = Tensor::cat(&[&golden["text.0"], &golden["text.1"]], 0).unwrap();
    for case in &facts.adapters {
        let adapters = Files::on_disk(data.join(format!("{checkpoint}-adapters")));
        let file = format!("ip-adapter_{}.safetensors", case.kind);
        let adapter = Adapter::load(&Weights::open_in(&adapters, &file, DType::F32, &Device::Cpu).unwrap()).unwrap();
        let tokens = &golden[&format!("{}.tokens", case.kind)];
        let conditioning = Conditioning::new(unet.sites(), &text, Some((&adapter, tokens))).unwrap();
        for attention in &case.attentions {
            let layer = load(&weights, &unet, attention);
            let input = &golden[&format!("{}.{}.input", case.kind, attention.name)];
            for &scale in &attention.scales {
                let scales = LayerScales::new(unet.sites(), &AdapterScale::Uniform(scale));
                let nothing = input.zeros_like().unwrap();
                let step = StepConditioning { conditioning: &conditioning, scales: &scales, tap: None };
                let output = layer.forward_onto(input, &step, &nothing).unwrap();
                let expected = &golden[&format!("{}.{}.{scale:.1}", case.kind, attention.name)];
                let error = relative_error(&output, expected);
                let case = format!("{checkpoint}, {}, {} at scale {scale}", case.kind, attention.name);
                assert!(error <= TOLERANCE, "{case}: relative error {error:.2e}");
            }
        }
    }
}

/// The cross-attention of this name, with the conditioning of its namesake in the UNet.
fn load(weights: &Weights, unet: &UNet, case: &AttentionCase) -> CrossAttention {
    let index = unet.sites().iter().position(|site| site.name == case.name).unwrap();
    let site = unet.sites().iter().nth(index).unwrap();
    let shape = TransformerShape {
        channels: site.width,
        heads: case.heads,
        layers: 1,
        context: site.context,
        groups: 1,
        linear_projection: false,
    };
    let alone = CrossAttention::load(weights, &case.name, shape, &mut Sites::default()).unwrap();
    CrossAttention { site: SiteIndex(index), ..alone }
}

/// The larger of ‖a−b‖/‖b‖ and max|a−b|/max|b|.
fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (found, expected) = (flat(found), flat(expected));
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let largest = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x.abs())).fold(0.0, f64::max);
    let mut difference = found.iter().zip(&expected).map(|(a, b)| a - b);
    let mut size = expected.iter().copied();
    let by_norm = norm(&mut difference.clone()) / norm(&mut size.clone());
    let error = by_norm.max(largest(&mut difference) / largest(&mut size));
    if by_norm.is_nan() { f64::INFINITY } else { error }
}
