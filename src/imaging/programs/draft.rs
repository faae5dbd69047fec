//! Collects what another program says about a picture, and lists what this program cannot apply.

use serde_json::{Map, Value};

use super::samplers::{self, Schedule};
use crate::studio::account::{Account, Program, UNKNOWN_MODEL};
use crate::studio::prompt::{Block, Prompt};
use crate::studio::prompt_syntax::foreign_syntax;
use crate::studio::recipe::{Model, ModelHashes};
use crate::studio::settings::{AdapterScale, Settings};
use crate::studio::text::clean;

/// The limit for a model's name, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// What a name of another program means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Prompt,
    Negative,
    Seed,
    Steps,
    Guidance,
    Sampler,
    Schedule,
    Width,
    Height,
    /// `512x768`, `(512, 768)` or `[512, 768]`
    Size,
    Checkpoint,
    /// A name for the checkpoint, if no field gives one.
    CheckpointHash,
    Adapter,
    AdapterScale,
    /// Nothing that changes the picture: a version, a date.
    Nothing,
}

/// A name of another program and its value.
struct Item {
    name: String,
    value: String,
}

pub(super) struct Draft {
    pub program: Program,
    prompt: String,
    negative: String,
    seed: Option<u64>,
    settings: Settings,
    checkpoint: Option<String>,
    checkpoint_hash: Option<Item>,
    adapter: Option<String>,
    sampler: Option<Item>,
    schedule: Option<Item>,
    /// The fields that have a value: the first one counts.
    seen: Vec<Field>,
    not_applied: Vec<String>,
}

impl Draft {
    pub fn new(program: Program) -> Self {
        Self {
            program,
            prompt: String::new(),
            negative: String::new(),
            seed: None,
            settings: Settings::default(),
            checkpoint: None,
            checkpoint_hash: None,
            adapter: None,
            sampler: None,
            schedule: None,
            seen: Vec::new(),
            not_applied: Vec::new(),
        }
    }

    /// Applies a value, or lists it.
    pub fn apply(&mut self, field: Option<Field>, name: &str, value: &str) {
        let applied = match field {
            Some(Field::Nothing) => return,
            Some(field) if !self.seen.contains(&field) => self.set(field, name, value).map(|()| self.seen.push(field)),
            _ => None,
        };
        if applied.is_none() {
            self.list(name, value);
        }
    }

    /// Applies every field of an object that the table names, and lists the others. Empty values say nothing.
    pub fn apply_all(&mut self, object: &Map<String, Value>, table: &[(&str, Field)]) {
        for (name, value) in object {
            let field = table.iter().find(|(known, _)| known == name).map(|(_, field)| *field);
            let value = shown(value);
            if !value.is_empty() {
                self.apply(field, name, &value);
            }
        }
    }

    /// Lists what is not applied.
    pub fn list(&mut self, name: &str, value: &str) {
        let item = if value.is_empty() { name.to_owned() } else { format!("{name}: {value}") };
        self.not_applied.push(clean(&item).trim().to_owned());
    }

    /// Whether a field has a value.
    pub fn has(&self, field: Field) -> bool {
        self.seen.contains(&field)
    }

    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    pub fn negative(&self) -> &str {
        &self.negative
    }

    /// The account. Sampler and schedule are read together, because one depends on the other.
    pub fn finish(mut self) -> Account {
        self.choose_scheduler();
        let checkpoint = match (self.checkpoint.take(), self.checkpoint_hash.take()) {
            (Some(name), Some(hash)) => {
                self.list(&hash.name, &hash.value);
                name
            }
            (Some(name), None) => name,
            (None, Some(hash)) => {
                model_name(&format!("{UNKNOWN_MODEL}, hash {}", hash.value)).unwrap_or_else(|| UNKNOWN_MODEL.to_owned())
            }
            (None, None) => UNKNOWN_MODEL.to_owned(),
        };
        let prompt = Prompt::new().with(Block::Subject, &self.prompt).with_negative(&self.negative);
        for (what, text) in [("prompt", prompt.block(Block::Subject)), ("negative prompt", prompt.negative())] {
            for syntax in foreign_syntax(text) {
                self.not_applied.push(format!("{} in the {what}", syntax.text));
            }
        }
        Account {
            program: self.program,
            prompt,
            seed: self.seed,
            settings: self.settings,
            model: Model { adapter: self.adapter, ..Model::named(&checkpoint) },
            hashes: ModelHashes::default(),
            reference: None,
            task: None,
            parent: None,
            not_applied: self.not_applied,
        }
    }

    /// Sets a field; `None` if its value is invalid here.
    fn set(&mut self, field: Field, name: &str, value: &str) -> Option<()> {
        let value = value.trim();
        let item = || Item { name: name.to_owned(), value: value.to_owned() };
        let settings = &mut self.settings;
        match field {
            Field::Prompt => self.prompt = value.to_owned(),
            Field::Negative => self.negative = value.to_owned(),
            Field::Seed => self.seed = Some(whole(value)?),
            Field::Steps => settings.steps = steps(whole(value)?)?,
            Field::Guidance => settings.guidance_scale = scale(value)?,
            Field::Width => settings.width = Some(pixels(whole(value)?)?),
            Field::Height => settings.height = Some(pixels(whole(value)?)?),
            Field::Size => {
                let (width, height) = value.trim_matches(['(', ')', '[', ']']).split_once(['x', ',', '×'])?;
                let side = |side: &str| pixels(whole(side.trim().trim_matches('\''))?);
                let sides = (side(width)?, side(height)?);
                (settings.width, settings.height) = (Some(sides.0), Some(sides.1));
            }
            Field::Checkpoint => self.checkpoint = Some(model_name(value)?),
            Field::CheckpointHash => self.checkpoint_hash = Some(item()),
            Field::Adapter => self.adapter = Some(model_name(value)?),
            Field::AdapterScale => settings.adapter_scale = AdapterScale::Uniform(scale(value)?),
            Field::Sampler => self.sampler = Some(item()),
            Field::Schedule => self.schedule = Some(item()),
            Field::Nothing => {}
        }
        Some(())
    }

    fn choose_scheduler(&mut self) {
        let (sampler, schedule) = (self.sampler.take(), self.schedule.take());
        let known = sampler.as_ref().and_then(|item| samplers::sampler(self.program, &item.value));
        let Some((known, schedule_in_name)) = known else {
            // A schedule without its sampler would apply to another one.
            let schedule = schedule.filter(|schedule| !samplers::is_ordinary(&schedule.value));
            for item in [sampler, schedule].into_iter().flatten() {
                self.list(&item.name, &item.value);
            }
            return;
        };
        self.settings.sampler = Some(known);
        // A separate schedule is more precise than the one in the name.
        let in_name = || Some(Item { name: sampler.as_ref()?.name.clone(), value: schedule_in_name?.to_owned() });
        let Some(schedule) = schedule.or_else(in_name) else { return };
        match samplers::schedule(&schedule.value, known) {
            Some(Schedule::Karras) if samplers::takes_karras(known) => self.settings.karras_sigmas = Some(true),
            Some(Schedule::Ordinary) => {}
            _ => self.list(&schedule.name, &schedule.value),
        }
    }
}

/// A value as people read it: text without quotes, anything else as JSON, and nothing for an empty value.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => String::new(),
        Value::Object(fields) if fields.is_empty() => String::new(),
        other => other.to_string(),
    }
}

/// Parses a text that has the form of a JSON object. ComfyUI writes NaN and Infinity, which are not JSON.
pub(super) fn object(text: &str) -> Option<Map<String, Value>> {
    let text = text.trim_start_matches('\u{feff}').trim_matches(['\0', ' ', '\r', '\n', '\t']);
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_nan(text))).ok()
}

/// Replaces NaN and Infinity outside quotes.
fn without_nan(text: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    let (mut quoted, mut escaped) = (false, false);
    while let Some(c) = rest.chars().next() {
        if !quoted && let Some(word) = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word))
        {
            clean.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        clean.push(c);
        rest = &rest[c.len_utf8()..];
    }
    clean
}

/// A whole number, also one written as `25.0`.
fn whole(text: &str) -> Option<u64> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

fn scale(text: &str) -> Option<f64> {
    text.parse().ok().filter(|scale: &f64| scale.abs() <= 1000.0)
}

/// A plausible number of steps.
fn steps(steps: u64) -> Option<usize> {
    (1..=1000).contains(&steps).then_some(steps as usize)
}

/// A width or height that this program can read.
fn pixels(side: u64) -> Option<usize> {
    (1..=u64::from(crate::imaging::MAX_SIDE)).contains(&side).then_some(side as usize)
}

/// A model's name without control characters, if its length is plausible.
pub(in crate::imaging) fn model_name(name: &str) -> Option<String> {
    let name = clean(name).trim().to_owned();
    (!name.is_empty() && name.chars().count() <= MAX_NAME_LENGTH).then_some(name)
}
