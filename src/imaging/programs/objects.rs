//! Programs that write their settings as one JSON object: SwarmUI, Fooocus, InvokeAI, NovelAI, Draw Things and Civitai.
//!
//! Each table says what a program's names mean here. Names that are not in it are listed.

use serde_json::{Map, Value};

use super::draft::{Draft, Field, shown};
use crate::studio::account::{Account, Program};

const SWARM: [(&str, Field); 11] = [
    ("prompt", Field::Prompt),
    ("negativeprompt", Field::Negative),
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("cfgscale", Field::Guidance),
    ("width", Field::Width),
    ("height", Field::Height),
    ("model", Field::Checkpoint),
    ("sampler", Field::Sampler),
    ("scheduler", Field::Schedule),
    ("swarm_version", Field::Nothing),
];

const FOOOCUS: [(&str, Field); 12] = [
    ("prompt", Field::Prompt),
    ("negative_prompt", Field::Negative),
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("guidance_scale", Field::Guidance),
    ("resolution", Field::Size),
    ("base_model", Field::Checkpoint),
    ("base_model_hash", Field::CheckpointHash),
    ("sampler", Field::Sampler),
    ("scheduler", Field::Schedule),
    ("version", Field::Nothing),
    ("metadata_scheme", Field::Nothing),
];

const INVOKE: [(&str, Field); 9] = [
    ("positive_prompt", Field::Prompt),
    ("negative_prompt", Field::Negative),
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("cfg_scale", Field::Guidance),
    ("width", Field::Width),
    ("height", Field::Height),
    ("scheduler", Field::Sampler),
    ("app_version", Field::Nothing),
];

/// The `image` of InvokeAI 2's record.
const INVOKE_2: [(&str, Field); 7] = [
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("cfg_scale", Field::Guidance),
    ("width", Field::Width),
    ("height", Field::Height),
    ("sampler", Field::Sampler),
    ("sampler_name", Field::Sampler),
];

const NOVEL: [(&str, Field); 10] = [
    ("prompt", Field::Prompt),
    ("uc", Field::Negative),
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("scale", Field::Guidance),
    ("width", Field::Width),
    ("height", Field::Height),
    ("sampler", Field::Sampler),
    ("noise_schedule", Field::Schedule),
    ("version", Field::Nothing),
];

const DRAW_THINGS: [(&str, Field); 8] = [
    ("c", Field::Prompt),
    ("uc", Field::Negative),
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("scale", Field::Guidance),
    ("size", Field::Size),
    ("model", Field::Checkpoint),
    ("sampler", Field::Sampler),
];

/// The `extraMetadata` of Civitai's generator.
pub(super) const CIVITAI: [(&str, Field); 9] = [
    ("prompt", Field::Prompt),
    ("negativePrompt", Field::Negative),
    ("seed", Field::Seed),
    ("steps", Field::Steps),
    ("cfgScale", Field::Guidance),
    ("width", Field::Width),
    ("height", Field::Height),
    ("sampler", Field::Sampler),
    ("scheduler", Field::Schedule),
];

pub(super) fn swarm(object: &Map<String, Value>) -> Option<Account> {
    let mut draft = Draft::new(Program::SwarmUi);
    draft.apply_all(object.get("sui_image_params")?.as_object()?, &SWARM);
    for (name, value) in object.iter().filter(|(name, _)| *name != "sui_image_params") {
        draft.list(name, &shown(value));
    }
    Some(draft.finish())
}

pub(super) fn fooocus(object: &Map<String, Value>) -> Account {
    let mut draft = Draft::new(Program::Fooocus);
    let mut object = object.clone();
    // Styles add to the prompt: what was really used is in these lists.
    for (full, plain) in [("full_prompt", "prompt"), ("full_negative_prompt", "negative_prompt")] {
        let Some(Value::Array(parts)) = object.get(full) else { continue };
        let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
        let Some(joined) = parts.map(|parts| parts.join(", ")).filter(|joined| !joined.trim().is_empty()) else {
            continue;
        };
        object.remove(full);
        let typed = object.insert(plain.to_owned(), Value::String(joined.clone()));
        if let Some(typed) = typed.map(|typed| shown(&typed)).filter(|typed| !typed.is_empty() && *typed != joined) {
            draft.list(&format!("{plain} without styles"), &typed);
        }
    }
    draft.apply_all(&object, &FOOOCUS);
    draft.finish()
}

pub(super) fn invoke(object: &Map<String, Value>) -> Account {
    let mut draft = Draft::new(Program::InvokeAi);
    let mut object = object.clone();
    if let Some(model) = object.remove("model") {
        invoke_model(&mut draft, &model);
    }
    draft.apply_all(&object, &INVOKE);
    draft.finish()
}

/// The model: an object with a name and a hash, or only a name.
fn invoke_model(draft: &mut Draft, model: &Value) {
    let name = ["name", "model_name"].iter().find_map(|name| model.get(name)?.as_str()).or(model.as_str());
    match name {
        Some(name) => draft.apply(Some(Field::Checkpoint), "model", name),
        None => draft.list("model", &shown(model)),
    }
    if let Some(hash) = model.get("hash").and_then(Value::as_str) {
        draft.apply(Some(Field::CheckpointHash), "model hash", hash);
    }
}

/// The record of InvokeAI 2. Its prompt contains the negative prompt in square brackets.
pub(super) fn invoke_2(object: &Map<String, Value>) -> Option<Account> {
    let mut draft = Draft::new(Program::InvokeAi);
    let mut image = object.get("image")?.as_object()?.clone();
    let prompts = match image.remove("prompt")? {
        Value::String(prompt) => vec![(prompt, None)],
        Value::Array(prompts) => {
            let part = |part: &Value| Some((part.get("prompt")?.as_str()?.to_owned(), part.get("weight")?.as_f64()));
            prompts.iter().map(part).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let mut prompts = prompts.into_iter();
    bracketed_prompt(&mut draft, &prompts.next()?.0);
    for (prompt, weight) in prompts {
        draft.list("prompt", &weight.map_or(prompt.clone(), |weight| format!("{prompt} (weight {weight})")));
    }
    draft.apply_all(&image, &INVOKE_2);
    let table = [
        ("model_weights", Field::Checkpoint),
        ("model_hash", Field::CheckpointHash),
        ("app_version", Field::Nothing),
        ("app_id", Field::Nothing),
        ("image", Field::Nothing),
        ("model", Field::Nothing),
    ];
    draft.apply_all(object, &table);
    Some(draft.finish())
}

/// The command of InvokeAI 1: `"prompt" -s50 -S1234 -W512 -H512 -C7.5 -A k_lms`.
pub(super) fn dream(command: &str) -> Option<Account> {
    let mut draft = Draft::new(Program::InvokeAi);
    let (prompt, options) = command.trim().strip_prefix('"')?.rsplit_once('"')?;
    bracketed_prompt(&mut draft, prompt);
    let mut words = options.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.get(..2) else {
            draft.list(word, "");
            continue;
        };
        let field = match option {
            "-s" => Some(Field::Steps),
            "-S" => Some(Field::Seed),
            "-W" => Some(Field::Width),
            "-H" => Some(Field::Height),
            "-C" => Some(Field::Guidance),
            "-A" => Some(Field::Sampler),
            _ => None,
        };
        let value = match &word[2..] {
            "" => words.next_if(|next| !next.starts_with('-')).unwrap_or_default(),
            value => value,
        };
        match field {
            Some(_) => draft.apply(field, option, value),
            None => draft.list(word, if value.len() + 2 == word.len() { "" } else { value }),
        }
    }
    draft.has(Field::Seed).then(|| draft.finish())
}

fn bracketed_prompt(draft: &mut Draft, prompt: &str) {
    let (mut positive, mut negative, mut rest) = (String::new(), Vec::new(), prompt);
    while let Some((before, (within, after))) =
        rest.split_once('[').and_then(|(before, after)| Some((before, after.split_once(']')?)))
    {
        positive.push_str(before);
        negative.push(within.trim());
        rest = after;
    }
    positive.push_str(rest);
    draft.apply(Some(Field::Prompt), "prompt", &positive);
    draft.apply(Some(Field::Negative), "negative prompt", &negative.join(", "));
}

/// NovelAI's comment. Its model is in a text of its own.
pub(super) fn novel(object: &Map<String, Value>, description: Option<&str>, source: Option<&str>) -> Account {
    let mut draft = Draft::new(Program::NovelAi);
    draft.apply_all(object, &NOVEL);
    if let Some(description) = description.filter(|_| !draft.has(Field::Prompt)) {
        draft.apply(Some(Field::Prompt), "Description", description);
    }
    if let Some(source) = source {
        draft.apply(Some(Field::Checkpoint), "Source", source);
    }
    draft.finish()
}

pub(super) fn draw_things(object: &Map<String, Value>) -> Account {
    let mut draft = Draft::new(Program::DrawThings);
    draft.apply_all(object, &DRAW_THINGS);
    draft.finish()
}
