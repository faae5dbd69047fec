//! The web UI's text is read as it was meant, and no text is read as something else.

use super::*;
use crate::imaging::provenance::pair_value;
use crate::studio::account::UNKNOWN_MODEL;
use crate::studio::prompt::Block;
use crate::studio::settings::{Sampler, Settings};
use crate::studio::text::clean;

const TYPICAL: &str = "portrait of a violinist,\n(soft light:1.2), 85mm\nNegative prompt: blurry,\nextra fingers\n\
    Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 18446744073709551615, Size: 512x768, Model hash: 6ce0161689, \
    Model: \"v1-5, pruned: \\\"ema\\\"\", Lora hashes: \"a: 1, b: 2\", Version: v1.10.1";

#[test]
fn the_text_of_the_web_ui_is_parsed() {
    let account = parse(TYPICAL).unwrap();
    assert_eq!(account.prompt.block(Block::Subject), "portrait of a violinist, (soft light:1.2), 85mm");
    assert_eq!(account.prompt.negative(), "blurry, extra fingers");
    let settings = Settings {
        steps: 20,
        sampler: Some(Sampler::DpmSolverPp2M),
        karras_sigmas: Some(true),
        guidance_scale: 6.5,
        width: Some(512),
        height: Some(768),
        ..Settings::default()
    };
    assert_eq!((account.settings, account.seed), (settings, Some(u64::MAX)));
    assert_eq!(account.model.checkpoint, "v1-5, pruned: \"ema\"");
    assert_eq!(
        account.not_applied,
        ["Lora hashes: a: 1, b: 2", "Model hash: 6ce0161689", "(soft light:1.2) in the prompt"]
    );
}

#[test]
fn newer_versions_name_the_schedule_separately() {
    let account = parse("a cat\nSteps: 4, Sampler: Euler, Schedule type: Karras, CFG scale: 7, Seed: 1").unwrap();
    assert_eq!((account.settings.sampler, account.settings.karras_sigmas), (Some(Sampler::Euler), Some(true)));
    assert_eq!(account.prompt.negative(), "");
}

#[test]
fn invalid_values_are_reported_and_ignored() {
    let account =
        parse("x\nSteps: 0, Sampler: Heun, CFG scale: NaN, Seed: -1, Size: 0x9, IP-Adapter weight: 1e99").unwrap();
    assert_eq!((account.settings, account.seed), (Settings::default(), None));
    assert_eq!(account.not_applied.len(), 6);
}

#[test]
fn other_texts_are_rejected() {
    for text in ["", "\n\n", "a caption", "time: 12:30, place: here", "{\"prompt\": \"x\"}"] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert_eq!(parse("a cat\nNegative prompt: dogs").unwrap().prompt.negative(), "dogs");
}

/// Reproducible pseudo-random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.roll(most)).map(|_| pieces[self.roll(pieces.len())]).collect()
    }
}

#[test]
fn random_texts_give_valid_accounts() {
    let mut dice = Dice(1);
    let pieces = [
        "\n",
        "\r",
        "\t",
        "\"",
        ":",
        ", ",
        "\\",
        "\u{1b}[2J",
        "\u{202e}",
        "ä",
        "肖",
        "x",
        "7",
        "-1",
        "1e999",
        "NaN",
        "Steps: ",
        "Size: ",
        "512x",
        "Negative prompt:",
        "Model: ",
        "Seed: 18446744073709551616",
        "CFG scale: inf",
        "Sampler: ",
    ];
    let mut read = 0;
    for _ in 0..20_000 {
        let Some(account) = parse(&dice.text(&pieces, 40)) else { continue };
        read += 1;
        assert!(account.settings.steps >= 1 && account.settings.guidance_scale.is_finite());
        for shown in account.not_applied.iter().chain([&account.model.checkpoint]) {
            assert_eq!(&clean(shown), shown);
        }
    }
    assert!(read > 500, "{read}");
}

#[test]
fn random_parameters_round_trip() {
    let mut dice = Dice(2);
    for _ in 0..2000 {
        let prompt = "a".to_owned() + &dice.text(&["b ", "c, ", "d: ", "(e:1.2) ", "7"], 12) + "z";
        let negative = dice.text(&["f", "g"], 3);
        let model = dice.text(&["h", ",", ":", "\"", "\\", " "], 9) + "m";
        let (steps, width, seed) = (1 + dice.roll(1000), 1 + dice.roll(2000), dice.roll(usize::MAX) as u64);
        let guidance = dice.roll(300_000) as f64 / 9999.0;
        let negative_line = if negative.is_empty() { String::new() } else { format!("{NEGATIVE_PREFIX} {negative}\n") };
        let model_value = pair_value(&model);
        let text = format!(
            "{prompt}\n{negative_line}Steps: {steps}, Sampler: DDIM, CFG scale: {guidance}, Seed: {seed}, \
             Size: {width}x64, Model: {model_value}, Version: x"
        );
        let account = parse(&text).unwrap();
        assert_eq!((account.prompt.block(Block::Subject), account.prompt.negative()), (&*prompt, &*negative), "{text}");
        assert_eq!(account.model.checkpoint, model.trim(), "{text}");
        assert_eq!((account.settings.steps, account.settings.guidance_scale), (steps, guidance), "{text}");
        assert_eq!((account.seed, account.settings.width), (Some(seed), Some(width)), "{text}");
        assert!(account.not_applied.iter().all(|item| item == "(e:1.2) in the prompt"), "{text}");
    }
}

#[test]
fn a_schedule_needs_a_sampler_that_has_it() {
    let read = |settings: &str| parse(&format!("a cat\n{settings}, CFG scale: 7, Seed: 1")).unwrap();
    let account = read("Steps: 4, Sampler: Euler a, Schedule type: Karras");
    assert_eq!(
        (account.settings.sampler, account.settings.karras_sigmas, account.not_applied),
        (Some(Sampler::EulerAncestral), None, vec!["Schedule type: Karras".to_owned()])
    );
    let account = read("Steps: 4, Sampler: DPM++ 2M SDE, Schedule type: Karras");
    assert_eq!((account.settings.sampler, account.settings.karras_sigmas), (None, None));
    assert_eq!(account.not_applied, ["Sampler: DPM++ 2M SDE", "Schedule type: Karras"]);
    let account = read("Steps: 4, Sampler: dpm++2m exponential");
    assert_eq!(account.not_applied, ["Sampler: exponential"]);
    assert!(read("Steps: 4, Sampler: UniPC").settings.sampler.is_none());
    assert_eq!(read("Steps: 4, Sampler: UniPC, Version: pentimento 1").settings.sampler, Some(Sampler::UniPc));
}

#[test]
fn the_settings_need_not_be_the_last_line() {
    let text = "a: b, c: d, e: f\nNegative prompt: g\nSteps: 4, Sampler: Euler, Seed: 3\nTemplate: {h|i}, Seed: 5\n\nj";
    let account = parse(text).unwrap();
    assert_eq!((account.prompt.block(Block::Subject), account.prompt.negative()), ("a: b, c: d, e: f", "g"));
    assert_eq!((account.seed, account.settings.steps), (Some(3), 4));
    assert_eq!(account.not_applied, ["Template: {h|i}, Seed: 5", "j"]);
    let account = parse("a cat\nSampler: Euler, Seed: 3, Steps: 4\nmade at night").unwrap();
    assert_eq!((account.seed, account.not_applied), (Some(3), vec!["made at night".to_owned()]));
}

#[test]
fn the_first_of_two_values_counts() {
    let account = parse("a cat\nSteps: 4, Seed: 3, Size: 8x8, Seed: 5").unwrap();
    assert_eq!((account.seed, account.not_applied), (Some(3), vec!["Seed: 5".to_owned()]));
}

#[test]
fn resources_name_the_checkpoint() {
    let model = |more: &str| parse(&format!("a cat\nSteps: 4, Seed: 3, Size: 8x8{more}")).unwrap().model.checkpoint;
    let resources = r#", Civitai resources: [{"type":"lora","modelName":"x"},{"type":"checkpoint","modelName":"Garden, Spring","modelVersionName":"v1"}]"#;
    assert_eq!(model(resources), "Garden, Spring v1");
    assert_eq!(model(&format!("{resources}, Model: garden")), "garden");
    assert_eq!(model(r#", Hashes: {"model":"1234567890","vae":"ab"}"#), "unknown, hash 1234567890");
    assert_eq!(model(r#", Model hash: 12, Hashes: {"model":"34"}"#), "unknown, hash 12");
    assert_eq!(model(""), UNKNOWN_MODEL);
}
