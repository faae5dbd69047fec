//! From the reference picture to the image tokens.

use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::checkpoint::{self, AdapterFolder};
use crate::golden::{self, Golden};
use crate::verdict::Verdict;

#[derive(Deserialize)]
struct Facts {}

const PICTURES: [&str; 5] = ["landscape", "portrait", "small", "grey", "alpha"];
const REFERENCE: &str = "landscape";

#[test]
fn pictures_become_the_same_pixel_values() {
    let mut verdict = Verdict::on("pixel values");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let preprocessor = AdapterFolder::load(name).preprocessor;
        for picture in PICTURES {
            let pixels = preprocessor.pixel_values(&golden::picture(picture), &Device::Cpu).unwrap();
            verdict.tensor(&format!("{name}, {picture}"), &pixels, golden.tensor(&format!("pixels.{picture}")));
        }
    }
    verdict.finish();
}

#[test]
fn pixel_values_become_the_same_image_features() {
    let mut verdict = Verdict::on("image features");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let encoder = AdapterFolder::load(name).encoder;
        let pixels = golden.tensor(&format!("pixels.{REFERENCE}"));
        let blank = pixels.zeros_like().unwrap();
        let case = |what: &str| format!("{name}, {what}");
        verdict.tensor(&case("image_embeds"), &encoder.image_embeds(pixels).unwrap(), golden.tensor("image_embeds"));
        verdict.tensor(&case("hidden states"), &encoder.penultimate(pixels).unwrap(), golden.tensor("hidden_states"));
        let unconditional = golden.tensor("hidden_states.unconditional");
        verdict.tensor(&case("hidden states of nothing"), &encoder.penultimate(&blank).unwrap(), unconditional);
    }
    verdict.finish();
}

#[test]
fn image_features_become_the_same_image_tokens() {
    let mut verdict = Verdict::on("image tokens");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let folder = AdapterFolder::load(name);
        let pixels = golden.tensor(&format!("pixels.{REFERENCE}"));
        for kind in checkpoint::ADAPTERS {
            let tokens = folder.adapter(kind).image_tokens(&folder.encoder, pixels).unwrap();
            let expected = golden.tensor(&format!("{kind}.tokens"));
            let row = |row| -> Tensor { expected.narrow(0, row, 1).unwrap() };
            verdict.tensor(&format!("{name}, {kind}, unconditional"), &tokens.unconditional, &row(0));
            verdict.tensor(&format!("{name}, {kind}, conditional"), &tokens.conditional, &row(1));
        }
    }
    verdict.finish();
}
