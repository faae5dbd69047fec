//! Parses the text that AUTOMATIC1111's web UI stores in PNGs under the keyword `parameters`: a prompt of one or more
//! lines, a negative prompt after `Negative prompt:`, and a last line of `Name: value` pairs.

use crate::studio::account::{Account, UNKNOWN_MODEL, Writer};
use crate::studio::prompt::{Block, Prompt};
use crate::studio::recipe::{Model, ModelHashes};
use crate::studio::settings::{AdapterScale, Sampler, Settings};
use crate::studio::text::clean;

const NEGATIVE_PREFIX: &str = "Negative prompt:";
/// With fewer pairs than this, the last line belongs to the prompt. The web UI has the same rule.
const MIN_PAIRS: usize = 3;
/// The limit for a model's name, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// Parses the text; `None` if it does not have this form.
pub(super) fn parse(text: &str) -> Option<Account> {
    let lines: Vec<&str> = text.trim().lines().collect();
    let (last, mut prompt_lines) = lines.split_last()?;
    let mut found = pairs(last);
    if found.len() < MIN_PAIRS {
        // Without settings, only the negative prompt proves the form.
        found.clear();
        prompt_lines = &lines;
        if !prompt_lines.iter().any(|line| line.trim_start().starts_with(NEGATIVE_PREFIX)) {
            return None;
        }
    }
    let (prompt, negative) = prompts(prompt_lines);
    let mut account = Account {
        writer: Writer::WebUi,
        prompt: Prompt::new().with(Block::Subject, &prompt).with_negative(&negative),
        seed: None,
        settings: Settings::default(),
        model: Model::named(UNKNOWN_MODEL),
        hashes: ModelHashes::default(),
        reference: None,
        task: None,
        parent: None,
        not_understood: Vec::new(),
    };
    for (name, value) in found {
        if apply(&mut account, &name, &value).is_none() {
            account.not_understood.push(clean(&format!("{name}: {value}")));
        }
    }
    Some(account)
}

/// The prompt and the negative prompt, each with its lines joined.
fn prompts(lines: &[&str]) -> (String, String) {
    let (mut prompt, mut negative, mut in_negative) = (Vec::new(), Vec::new(), false);
    for line in lines {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix(NEGATIVE_PREFIX) {
            in_negative = true;
            negative.push(rest.trim());
        } else if in_negative {
            negative.push(line);
        } else {
            prompt.push(line);
        }
    }
    (prompt.join("\n"), negative.join("\n"))
}

/// Splits `Name: value, Name: "a value, quoted", …`. Text that is not a pair is ignored.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while let Some((name, after)) = rest.split_once(':') {
        let (value, after) = value(after.trim_start());
        // Text without a colon before the name is not part of it.
        let name = name.rsplit(',').next().unwrap_or(name).trim();
        if is_name(name) {
            found.push((name.to_owned(), value));
        }
        rest = after;
    }
    found
}

/// The value at the beginning of a text, and the text after its comma.
fn value(text: &str) -> (String, &str) {
    if text.starts_with('"')
        && let Some(end) = end_of_quote(text)
        && let Ok(value) = serde_json::from_str::<String>(&text[..end])
    {
        let rest = text[end..].trim_start();
        return (value, rest.strip_prefix(',').unwrap_or(rest));
    }
    let (value, rest) = text.split_once(',').unwrap_or((text, ""));
    (value.trim().to_owned(), rest)
}

/// The position after the closing quote of a quoted text.
fn end_of_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    name.len() > 1 && name.len() < 80 && name.chars().all(|c| c.is_alphanumeric() || " _-/+.".contains(c))
}

/// Applies a pair to the account; `None` if the name is unknown or the value invalid.
fn apply(account: &mut Account, name: &str, value: &str) -> Option<()> {
    let settings = &mut account.settings;
    match name {
        "Steps" => settings.steps = steps(value.parse().ok()?)?,
        "CFG scale" => settings.guidance_scale = scale(value)?,
        "Seed" => account.seed = Some(value.parse().ok()?),
        "Sampler" => {
            let plain = value.strip_suffix(" Karras");
            settings.sampler = Some(sampler(plain.unwrap_or(value))?);
            if plain.is_some() {
                settings.karras_sigmas = Some(true);
            }
        }
        "Schedule type" => match value {
            "Karras" => settings.karras_sigmas = Some(true),
            "Automatic" | "Uniform" | "Normal" => {}
            _ => return None,
        },
        "Size" => {
            let (width, height) = value.split_once('x')?;
            let sides = (pixels(width.trim().parse().ok()?)?, pixels(height.trim().parse().ok()?)?);
            (settings.width, settings.height) = (Some(sides.0), Some(sides.1));
        }
        "Model" => account.model.checkpoint = model_name(value)?,
        "IP-Adapter" => account.model.adapter = Some(model_name(value)?),
        "IP-Adapter weight" => settings.adapter_scale = AdapterScale::Uniform(scale(value)?),
        // The program's version does not affect the picture.
        "Version" => {}
        _ => return None,
    }
    Some(())
}

/// The sampler with this name in the web UI.
fn sampler(name: &str) -> Option<Sampler> {
    Sampler::ALL.into_iter().find(|&sampler| super::provenance::webui_sampler(sampler, false) == name)
}

fn scale(text: &str) -> Option<f64> {
    text.parse().ok().filter(|scale| is_scale(*scale))
}

/// Whether a guidance scale or adapter scale is plausible.
pub(super) fn is_scale(scale: f64) -> bool {
    scale.abs() <= 1000.0
}

/// A plausible number of steps.
pub(super) fn steps(steps: u64) -> Option<usize> {
    (1..=1000).contains(&steps).then_some(steps as usize)
}

/// A width or height that this program can read.
pub(super) fn pixels(side: u64) -> Option<usize> {
    (1..=u64::from(super::MAX_SIDE)).contains(&side).then_some(side as usize)
}

/// A model's name without control characters, if its length is plausible.
pub(super) fn model_name(name: &str) -> Option<String> {
    let name = clean(name).trim().to_owned();
    (!name.is_empty() && name.chars().count() <= MAX_NAME_LENGTH).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(account.not_understood, ["Model hash: 6ce0161689", "Lora hashes: a: 1, b: 2"]);
    }

    #[test]
    fn newer_versions_name_the_schedule_separately() {
        let account = parse("a cat\nSteps: 4, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 1").unwrap();
        assert_eq!(
            (account.settings.sampler, account.settings.karras_sigmas),
            (Some(Sampler::EulerAncestral), Some(true))
        );
        assert_eq!(account.prompt.negative(), "");
    }

    #[test]
    fn invalid_values_are_reported_and_ignored() {
        let account =
            parse("x\nSteps: 0, Sampler: Heun, CFG scale: NaN, Seed: -1, Size: 0x9, IP-Adapter weight: 1e99").unwrap();
        assert_eq!((account.settings, account.seed), (Settings::default(), None));
        assert_eq!(account.not_understood.len(), 6);
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
            for shown in account.not_understood.iter().chain([&account.model.checkpoint]) {
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
            let negative_line =
                if negative.is_empty() { String::new() } else { format!("{NEGATIVE_PREFIX} {negative}\n") };
            let model_value = super::super::provenance::pair_value(&model);
            let text = format!(
                "{prompt}\n{negative_line}Steps: {steps}, Sampler: DDIM, CFG scale: {guidance}, Seed: {seed}, \
                 Size: {width}x64, Model: {model_value}, Version: x"
            );
            let account = parse(&text).unwrap();
            assert_eq!(
                (account.prompt.block(Block::Subject), account.prompt.negative()),
                (&*prompt, &*negative),
                "{text}"
            );
            assert_eq!(account.model.checkpoint, model.trim(), "{text}");
            assert_eq!((account.settings.steps, account.settings.guidance_scale), (steps, guidance), "{text}");
            assert_eq!((account.seed, account.settings.width), (Some(seed), Some(width)), "{text}");
            assert!(account.not_understood.is_empty(), "{text}");
        }
    }
}
