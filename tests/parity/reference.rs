//! From reference pictures to image tokens.

use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::checkpoint::{self, AdapterFolder};
use crate::comparison::Comparison;
use crate::golden::{self, Golden};

#[derive(Deserialize)]
struct Facts {}

const PICTURES: [&str; 5] = ["landscape", "portrait", "small", "grey", "alpha"];
const REFERENCE: &str = "landscape";

#[test]
fn pixel_values_match() {
    let mut comparison = Comparison::of("pixel values");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let preprocessor = AdapterFolder::load(name).preprocessor;
        for picture in PICTURES {
            let pixels = preprocessor.pixel_values(&golden::picture(picture), &Device::Cpu).unwrap();
            comparison.tensor(&format!("{name}, {picture}"), &pixels, golden.tensor(&format!("pixels.{picture}")));
        }
    }
    comparison.finish();
}

#[test]
fn image_features_match() {
    let mut comparison = Comparison::of("image features");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let encoder = AdapterFolder::load(name).encoder;
        let pixels = golden.tensor(&format!("pixels.{REFERENCE}"));
        let blank = pixels.zeros_like().unwrap();
        let case = |what: &str| format!("{name}, {what}");
        comparison.tensor(&case("image_embeds"), &encoder.image_embeds(pixels).unwrap(), golden.tensor("image_embeds"));
        comparison.tensor(
            &case("hidden states"),
            &encoder.penultimate(pixels).unwrap(),
            golden.tensor("hidden_states"),
        );
        let unconditional = golden.tensor("hidden_states.unconditional");
        comparison.tensor(&case("unconditional hidden states"), &encoder.penultimate(&blank).unwrap(), unconditional);
    }
    comparison.finish();
}

#[test]
fn image_tokens_match() {
    let mut comparison = Comparison::of("image tokens");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let folder = AdapterFolder::load(name);
        let pixels = golden.tensor(&format!("pixels.{REFERENCE}"));
        for kind in checkpoint::ADAPTERS {
            let tokens = folder.adapter(kind).image_tokens(&folder.encoder, pixels).unwrap();
            let expected = golden.tensor(&format!("{kind}.tokens"));
            let row = |row| -> Tensor { expected.narrow(0, row, 1).unwrap() };
            comparison.tensor(&format!("{name}, {kind}, unconditional"), &tokens.unconditional, &row(0));
            comparison.tensor(&format!("{name}, {kind}, conditional"), &tokens.conditional, &row(1));
        }
    }
    comparison.finish();
}
