//! From the prompt to the text states.

use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::checkpoint::{self, Checkpoint};
use crate::golden::Golden;
use crate::verdict::Verdict;

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
fn prompts_become_the_same_token_ids() {
    let mut verdict = Verdict::on("token ids");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let tokenizer = checkpoint::tokenizer(name);
        for case in &golden.facts.tokens {
            let label = format!("{name}, {:?}", case.prompt.chars().take(40).collect::<String>());
            let tokens = tokenizer.encode(&case.prompt).unwrap();
            verdict.equal(&label, &tokens.ids, &case.ids);
            verdict.equal(&format!("{label}, count"), &tokens.count, &case.count);
            // diffusers decodes the tokens that fell off; ours are the words as they stand in the prompt.
            let (found, expected) = (tokens.dropped.as_deref(), case.dropped.as_deref());
            let found = match (found, expected) {
                // Cut in the middle of a character: ours names the whole of it.
                (Some(found), Some(expected)) if expected.starts_with(char::REPLACEMENT_CHARACTER) => {
                    Some(&found[found.chars().next().map_or(0, char::len_utf8)..])
                }
                _ => found,
            };
            verdict.equal(&format!("{label}, what fell off"), &found.map(squash), &expected.map(squash));
        }
    }
    verdict.finish();
}

#[test]
fn token_ids_become_the_same_text_states() {
    let mut verdict = Verdict::on("text states");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let checkpoint = Checkpoint::load(name);
        let length = checkpoint.tokenizer.length();
        for text in &golden.facts.texts {
            let case = golden.facts.tokens.iter().find(|case| case.prompt == text.prompt).unwrap();
            let ids = Tensor::from_slice(&case.ids, (1, length), &Device::Cpu).unwrap();
            let states = checkpoint.text_encoder.forward(&ids).unwrap();
            verdict.tensor(&format!("{name}, {}", text.tensor), &states, golden.tensor(&text.tensor));
        }
    }
    verdict.finish();
}

/// Without what tokens do not keep: spaces, capitals, and the rest of a character that was cut.
fn squash(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != char::REPLACEMENT_CHARACTER);
    kept.flat_map(char::to_lowercase).collect()
}
