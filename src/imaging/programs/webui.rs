//! Parses the text that AUTOMATIC1111's web UI stores under the keyword `parameters`: a prompt of one or more lines, a
//! negative prompt after `Negative prompt:`, and a line of `Name: value` pairs. Many other programs write it too.

use serde_json::Value;

use super::draft::{Draft, Field};
use super::pairs::{Pair, pairs};
use crate::studio::account::{Account, Program};

const NEGATIVE_PREFIX: &str = "Negative prompt:";
/// With fewer pairs than this, the last line belongs to the prompt. The web UI has the same rule.
const MIN_PAIRS: usize = 3;

const FIELDS: [(&str, Field); 19] = [
    ("Steps", Field::Steps),
    ("Sampler", Field::Sampler),
    ("Schedule type", Field::Schedule),
    // stable-diffusion.cpp
    ("Schedule", Field::Schedule),
    // Fooocus
    ("Scheduler", Field::Schedule),
    ("CFG scale", Field::Guidance),
    ("Seed", Field::Seed),
    ("Size", Field::Size),
    ("Model", Field::Checkpoint),
    ("Base Model", Field::Checkpoint),
    ("Model hash", Field::CheckpointHash),
    ("Base Model Hash", Field::CheckpointHash),
    ("IP-Adapter", Field::Adapter),
    ("IP-Adapter weight", Field::AdapterScale),
    ("Version", Field::Nothing),
    ("App", Field::Nothing),
    ("Created Date", Field::Nothing),
    ("Hashes", Field::CheckpointHash),
    ("Civitai resources", Field::Checkpoint),
];

/// Parses the text; `None` if it does not have this form.
pub(super) fn parse(text: &str) -> Option<Account> {
    let lines: Vec<&str> = text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).lines().collect();
    let line = settings_line(&lines);
    let prompt_lines = &lines[..line.unwrap_or(lines.len())];
    // Without settings, only the negative prompt proves the form.
    if line.is_none() && !prompt_lines.iter().any(|line| line.trim_start().starts_with(NEGATIVE_PREFIX)) {
        return None;
    }
    let found = line.map(|line| pairs(lines[line])).unwrap_or_default();
    let mut draft = Draft::new(program(&found));
    let (prompt, negative) = prompts(prompt_lines);
    draft.apply(Some(Field::Prompt), "prompt", &prompt);
    draft.apply(Some(Field::Negative), "negative prompt", &negative);
    // The fields that name the checkpoint come before those that only help to find its name.
    let (last, first): (Vec<_>, Vec<_>) =
        found.iter().partition(|pair| matches!(pair.name, Some("Hashes" | "Civitai resources")));
    for pair in first.into_iter().chain(last) {
        apply(&mut draft, pair);
    }
    for line in lines.iter().skip(prompt_lines.len() + 1).filter(|line| !line.trim().is_empty()) {
        draft.list(line, "");
    }
    Some(draft.finish())
}

fn apply(draft: &mut Draft, Pair { name, value }: &Pair) {
    let Some(name) = *name else { return draft.list(value, "") };
    match name {
        "Hashes" => {
            let hashes: Option<Value> = serde_json::from_str(value).ok();
            let model = hashes.as_ref().and_then(|hashes| hashes.get("model")?.as_str());
            if let Some(model) = model.filter(|_| !draft.has(Field::CheckpointHash)) {
                draft.apply(Some(Field::CheckpointHash), name, model);
            }
            draft.list(name, value);
        }
        "Civitai resources" => {
            if let Some(model) = civitai_model(value).filter(|_| !draft.has(Field::Checkpoint)) {
                draft.apply(Some(Field::Checkpoint), name, &model);
            }
            draft.list(name, value);
        }
        // Fooocus repeats the prompts if no style was added to them.
        "Raw prompt" if value == draft.prompt() => {}
        "Raw negative prompt" if value == draft.negative() => {}
        _ => {
            let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
            draft.apply(field, name, value);
        }
    }
}

/// The line with the settings: the last that starts with the steps; else the last line of all; else the last with three
/// known names. A prompt may contain colons, and some programs write more lines after the settings.
fn settings_line(lines: &[&str]) -> Option<usize> {
    let named = |line: &str| pairs(line).iter().filter(|pair| pair.name.is_some()).count();
    let known = |line: &str| {
        let pairs = pairs(line);
        let is_known = |pair: &&Pair| FIELDS.iter().any(|(name, _)| pair.name == Some(name));
        pairs.iter().filter(is_known).count()
    };
    let starts_with_steps = |line: &str| {
        let value = line.trim_start().strip_prefix("Steps:").map(str::trim_start);
        value.is_some_and(|value| value.starts_with(|c: char| c.is_ascii_digit()))
    };
    lines
        .iter()
        .rposition(|line| starts_with_steps(line) && named(line) >= MIN_PAIRS)
        .or_else(|| lines.len().checked_sub(1).filter(|&last| named(lines[last]) >= MIN_PAIRS))
        .or_else(|| lines.iter().rposition(|line| known(line) >= MIN_PAIRS))
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

/// The program, by the version that it writes.
fn program(pairs: &[Pair]) -> Program {
    let has = |name: &str| pairs.iter().any(|pair| pair.name == Some(name));
    let version = pairs.iter().find(|pair| pair.name == Some("Version")).map_or("", |pair| pair.value.as_str());
    match version {
        version if version.starts_with("pentimento ") => Program::Pentimento,
        version if version.starts_with("stable-diffusion.cpp") => Program::StableDiffusionCpp,
        version if version.starts_with("Fooocus") => Program::Fooocus,
        version if version.starts_with("ComfyUI") => Program::ComfyUi,
        "" if has("Civitai resources") && has("Created Date") => Program::Civitai,
        _ => Program::WebUi,
    }
}

/// The name of the checkpoint among Civitai's resources.
fn civitai_model(resources: &str) -> Option<String> {
    let resources: Vec<Value> = serde_json::from_str(resources).ok()?;
    let checkpoint = resources.iter().find(|resource| resource["type"] == "checkpoint")?;
    let name = checkpoint["modelName"].as_str()?;
    let version = checkpoint["modelVersionName"].as_str().or(checkpoint["versionName"].as_str());
    Some(version.map_or(name.to_owned(), |version| format!("{name} {version}")))
}

#[cfg(test)]
#[path = "webui/tests.rs"]
mod tests;
