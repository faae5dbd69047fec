//! From prompts to text states.

use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::checkpoint::{self, Checkpoint};
use crate::comparison::Comparison;
use crate::golden::Golden;

#[derive(Deserialize)]
struct Facts {
    tokens: Vec<TokenCase>,
    texts: Vec<TextCase>,
}

#[derive(Deserialize)]
struct TokenCase {
    prompt: String,
    ids: Vec<u32>,
    count: usize,
    dropped: Option<String>,
}

#[derive(Deserialize)]
struct TextCase {
    prompt: String,
    tensor: String,
}

#[test]
fn token_ids_match() {
    let mut comparison = Comparison::of("token ids");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let tokenizer = checkpoint::tokenizer(name);
        for case in &golden.facts.tokens {
            let label = format!("{name}, {:?}", case.prompt.chars().take(40).collect::<String>());
            let tokens = tokenizer.encode(&case.prompt).unwrap();
            comparison.equal(&label, &tokens.ids, &case.ids);
            comparison.equal(&format!("{label}, count"), &tokens.count, &case.count);
            // diffusers decodes the dropped tokens. We return the dropped part of the prompt itself.
            let (found, expected) = (tokens.dropped.as_deref(), case.dropped.as_deref());
            let found = match (found, expected) {
                // If the cut is within a character, our part includes the whole character.
                (Some(found), Some(expected)) if expected.starts_with(char::REPLACEMENT_CHARACTER) => {
                    Some(&found[found.chars().next().map_or(0, char::len_utf8)..])
                }
                _ => found,
            };
            comparison.equal(&format!("{label}, dropped"), &found.map(squash), &expected.map(squash));
        }
    }
    comparison.finish();
}

#[test]
fn text_states_match() {
    let mut comparison = Comparison::of("text states");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let checkpoint = Checkpoint::load(name);
        let length = checkpoint.tokenizer.length();
        for text in &golden.facts.texts {
            let case = golden.facts.tokens.iter().find(|case| case.prompt == text.prompt).unwrap();
            let ids = Tensor::from_slice(&case.ids, (1, length), &Device::Cpu).unwrap();
            let states = checkpoint.text_encoder.forward(&ids).unwrap();
            comparison.tensor(&format!("{name}, {}", text.tensor), &states, golden.tensor(&text.tensor));
        }
    }
    comparison.finish();
}

/// Removes what tokens do not preserve: white space, upper case, and the rest of a cut character.
fn squash(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != char::REPLACEMENT_CHARACTER);
    kept.flat_map(char::to_lowercase).collect()
}
