//! Reads a node graph of ComfyUI: from the sampler to its texts, seed, schedule, size and checkpoint.
//!
//! A node has a class and named inputs. An input is a value or a link: the number of another node and of its output.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::draft::{Draft, Field, object, shown};
use super::objects::CIVITAI;
use crate::studio::account::{Account, Program};

/// The longest chain of nodes that is followed.
const LONGEST_CHAIN: usize = 200;

/// The most nodes in a row that join two texts.
const MOST_JOINS: usize = 8;

/// Inputs that carry a number or a text through a node of another purpose, such as a field to type it into.
const NUMBER_CARRIERS: [&str; 8] = ["value", "Value", "seed", "noise_seed", "int", "float", "number", "Number"];
const TEXT_CARRIERS: [&str; 6] = ["value", "Value", "string", "text", "populated_text", "prompt"];
const NUMBERS: [&str; 8] =
    ["seed", "noise_seed", "steps", "cfg", "width", "height", "empty_latent_width", "empty_latent_height"];

/// Nodes that only load, decode, show, save or explain, and those that are read completely.
const PLAIN: [&str; 22] = [
    "VAEDecode",
    "VAEDecodeTiled",
    "SaveImage",
    "PreviewImage",
    "Reroute",
    "Note",
    "MarkdownNote",
    "PrimitiveNode",
    "KSampler",
    "KSamplerAdvanced",
    "KSampler (Efficient)",
    "SamplerCustom",
    "SamplerCustomAdvanced",
    "KSamplerSelect",
    "BasicScheduler",
    "KarrasScheduler",
    "RandomNoise",
    "CFGGuider",
    "BasicGuider",
    "CLIPTextEncode",
    "EmptyLatentImage",
    "CheckpointLoaderSimple",
];

/// Inputs that do not change the picture.
const WITHOUT_EFFECT: [&str; 8] = [
    "filename_prefix",
    "control_after_generate",
    "preview_method",
    "vae_decode",
    "speak_and_recognation",
    "Random Seed",
    "image_preview",
    "device",
];

/// Whether an object is a graph.
pub(super) fn is_graph(object: &Map<String, Value>) -> bool {
    object.values().any(|node| node.get("class_type").is_some())
}

/// Reads a graph. The error is the reason why it is no run.
pub(super) fn read(nodes: &Map<String, Value>) -> Result<Account, String> {
    let mut graph = Graph { nodes, used: HashSet::new() };
    let sampler = graph.sampler().ok_or("its workflow has no sampler that pentimento knows")?;
    let mut draft = Draft::new(Program::ComfyUi);
    for (field, names, through) in SAMPLER_INPUTS {
        if let Some((name, value)) = graph.input(sampler, names, through) {
            draft.apply(Some(field), name, &shown(&value));
        }
    }
    if let Some(name) = graph.karras_scheduler(sampler) {
        draft.apply(Some(Field::Schedule), name, "karras");
    }
    let positive = graph.text(sampler, Side::Positive).ok_or("a node computes its prompt")?;
    draft.apply(Some(Field::Prompt), "prompt", &positive);
    if let Some(negative) = graph.text(sampler, Side::Negative) {
        draft.apply(Some(Field::Negative), "negative prompt", &negative);
    }
    if let Some((width, height)) = graph.size(sampler) {
        draft.apply(Some(Field::Width), "width", &width);
        draft.apply(Some(Field::Height), "height", &height);
    }
    if let Some(checkpoint) = graph.checkpoint(sampler) {
        draft.apply(Some(Field::Checkpoint), "ckpt_name", &checkpoint);
    }
    graph.list_unused(&mut draft);
    Ok(draft.finish())
}

/// Reads what Civitai writes: a graph, and mostly the settings beside it.
pub(super) fn read_civitai(all: &Map<String, Value>) -> Result<Account, (Program, String)> {
    let Some(settings) = all.get("extraMetadata") else {
        return read(all).map_err(|reason| (Program::ComfyUi, reason));
    };
    let settings = settings.as_object().cloned().or_else(|| object(settings.as_str()?));
    let Some(settings) = settings.filter(|settings| settings.contains_key("prompt")) else {
        return read(all).map_err(|reason| (Program::Civitai, reason));
    };
    let mut draft = Draft::new(Program::Civitai);
    draft.apply_all(&settings, &CIVITAI);
    let mut graph = Graph { nodes: all, used: HashSet::new() };
    if let Some(checkpoint) = graph.sampler().and_then(|sampler| graph.checkpoint(sampler)) {
        draft.apply(Some(Field::Checkpoint), "ckpt_name", &checkpoint);
    }
    Ok(draft.finish())
}

/// The inputs of a sampler, and the node between, if the sampler has one for this.
const SAMPLER_INPUTS: [(Field, &[&str], &str); 5] = [
    (Field::Seed, &["seed", "noise_seed"], "noise"),
    (Field::Steps, &["steps"], "sigmas"),
    (Field::Guidance, &["cfg"], "guider"),
    (Field::Sampler, &["sampler_name"], "sampler"),
    (Field::Schedule, &["scheduler"], "sigmas"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Positive,
    Negative,
}

struct Graph<'a> {
    nodes: &'a Map<String, Value>,
    /// The inputs that were read: node and name.
    used: HashSet<(&'a str, &'a str)>,
}

impl<'a> Graph<'a> {
    /// The sampler that starts from an empty image: the first pass of the output.
    fn sampler(&self) -> Option<&'a str> {
        let ids = || self.nodes.keys().map(String::as_str);
        let is_output = |id: &&str| ["Save", "Preview"].iter().any(|word| self.class(id).contains(word));
        let mut sampler =
            self.sampler_before(ids().filter(is_output)).or_else(|| ids().find(|id| self.is_sampler(id)))?;
        for _ in 0..LONGEST_CHAIN {
            let start = ["latent_image", "samples", "image", "pixels"].iter().find_map(|name| self.link(sampler, name));
            match self.sampler_before(start.into_iter().map(|(id, _)| id)) {
                Some(before) if before != sampler => sampler = before,
                _ => break,
            }
        }
        Some(sampler)
    }

    fn is_sampler(&self, id: &str) -> bool {
        let has = |name: &str| self.raw(id, name).is_some();
        (has("positive") || has("guider"))
            && (has("seed") || has("noise_seed") || has("noise"))
            && (has("steps") || has("sigmas"))
    }

    /// The nearest sampler among these nodes and those before them. Each node is visited once.
    fn sampler_before(&self, start: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let mut queue: Vec<&str> = start.collect();
        let (mut seen, mut at) = (queue.iter().copied().collect::<HashSet<_>>(), 0);
        while let Some(&id) = queue.get(at) {
            if self.is_sampler(id) {
                return Some(id);
            }
            let links = self.inputs(id).into_iter().flat_map(|inputs| inputs.values());
            let sources = links.filter_map(|value| self.as_link(value)).map(|(source, _)| source);
            queue.extend(sources.filter(|source| seen.insert(source)));
            at += 1;
        }
        None
    }

    /// A value of a sampler, or of the node that its input `through` is linked to.
    fn input(&mut self, sampler: &'a str, names: &[&'static str], through: &str) -> Option<(&'static str, Value)> {
        let between = self.link(sampler, through).map(|(id, _)| id);
        let places = [Some(sampler), between].into_iter().flatten();
        let all = places.flat_map(|id| names.iter().map(move |name| (id, *name))).collect::<Vec<_>>();
        all.into_iter().find_map(|(id, name)| Some((name, self.value(id, name)?)))
    }

    fn karras_scheduler(&self, sampler: &'a str) -> Option<&'a str> {
        let (id, _) = self.link(sampler, "sigmas")?;
        Some(self.class(id)).filter(|class| *class == "KarrasScheduler")
    }

    /// The text of one side.
    fn text(&mut self, sampler: &'a str, side: Side) -> Option<String> {
        let name = if side == Side::Positive { "positive" } else { "negative" };
        let mut next = self.link(sampler, name);
        if next.is_none() {
            let (guider, _) = self.link(sampler, "guider")?;
            let names: &[&str] = if side == Side::Positive { &["positive", "conditioning"] } else { &["negative"] };
            next = names.iter().find_map(|name| self.link(guider, name));
        }
        for _ in 0..LONGEST_CHAIN {
            let (id, _) = next?;
            // An encoder for several text models has a text for each.
            for text in ["text", "text_g", "t5xxl", "text_l", "clip_l", name] {
                if self.raw(id, text).is_some_and(|value| self.is_text(value)) {
                    return self.value(id, text).map(|value| shown(&value));
                }
            }
            let onward = ["conditioning", name, "conditioning_1", "conditioning_to", "cond1"];
            next = onward.iter().find_map(|name| self.link(id, name));
        }
        None
    }

    /// Whether an input is a text, or a link to a node that gives one.
    fn is_text(&self, value: &Value) -> bool {
        let encodes = |(id, _): (&str, i64)| self.raw(id, "clip").is_some() || self.raw(id, "conditioning").is_some();
        value.is_string() || self.as_link(value).is_some_and(|link| !encodes(link))
    }

    /// The size of the empty image.
    fn size(&mut self, sampler: &'a str) -> Option<(String, String)> {
        let (mut id, _) = self.link(sampler, "latent_image")?;
        for _ in 0..LONGEST_CHAIN {
            for (width, height) in [("width", "height"), ("empty_latent_width", "empty_latent_height")] {
                let is_source = self.class(id).starts_with("Empty") || width != "width";
                if is_source && let (Some(width), Some(height)) = (self.value(id, width), self.value(id, height)) {
                    return Some((shown(&width), shown(&height)));
                }
            }
            id = ["samples", "latent", "latent_image"].iter().find_map(|name| self.link(id, name))?.0;
        }
        None
    }

    /// The checkpoint's file, through LoRAs and adapters.
    fn checkpoint(&mut self, sampler: &'a str) -> Option<String> {
        let guider = self.link(sampler, "guider").and_then(|(guider, _)| self.link(guider, "model"));
        let (mut id, _) = self.link(sampler, "model").or(guider)?;
        for _ in 0..LONGEST_CHAIN {
            for name in ["ckpt_name", "unet_name"] {
                if let Some(value) = self.value(id, name) {
                    return Some(shown(&value));
                }
            }
            id = self.link(id, "model")?.0;
        }
        None
    }

    /// A value, through nodes that carry it. Nodes that compute something are not followed, but for one that joins texts.
    fn value(&mut self, id: &'a str, name: &str) -> Option<Value> {
        self.carried(id, name, 0)
    }

    fn carried(&mut self, id: &'a str, name: &str, joins: usize) -> Option<Value> {
        let known: &[&str] = if NUMBERS.contains(&name) { &NUMBER_CARRIERS } else { &TEXT_CARRIERS };
        let (mut id, mut name) = (id, name.to_owned());
        for _ in 0..LONGEST_CHAIN {
            let (key, value) = self.inputs(id)?.get_key_value(&name)?;
            self.used.insert((id, key));
            let Some((source, _)) = self.as_link(value) else { return Some(value.clone()).filter(|v| !v.is_array()) };
            if self.class(source) == "StringConcatenate" {
                return if joins < MOST_JOINS { self.joined(source, joins + 1) } else { None };
            }
            let carriers = std::iter::once(name.as_str()).chain(known.iter().copied());
            let carriers: BTreeSet<&str> = carriers.filter(|name| self.raw(source, name).is_some()).collect();
            // With several candidates, the node computes something.
            let [carrier] = carriers.into_iter().collect::<Vec<_>>()[..] else { return None };
            (id, name) = (source, carrier.to_owned());
        }
        None
    }

    fn joined(&mut self, id: &'a str, joins: usize) -> Option<Value> {
        let mut parts = Vec::new();
        for name in ["string_a", "delimiter", "string_b"] {
            parts.push(self.carried(id, name, joins)?.as_str()?.to_owned());
        }
        Some(Value::String(parts.concat()))
    }

    /// Lists the values that were not read, by class and node.
    fn list_unused(&self, draft: &mut Draft) {
        for (id, node) in self.nodes {
            let Some(class) = node.get("class_type").and_then(Value::as_str) else { continue };
            let inputs = self.inputs(id).into_iter().flatten();
            let unused: Map<String, Value> = inputs
                .filter(|(name, value)| {
                    !self.used.contains(&(id.as_str(), name.as_str())) && self.matters(id, name, value)
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let is_plain = PLAIN.contains(&class) || self.used.iter().any(|(used, _)| used == id);
            if !unused.is_empty() {
                draft.list(&format!("{class} (node {id})"), &Value::Object(unused).to_string());
            } else if !is_plain {
                draft.list(&format!("{class} (node {id})"), "");
            }
        }
    }

    /// Whether a value that was not read may change the picture.
    fn matters(&self, id: &str, name: &str, value: &Value) -> bool {
        let number = |name: &str| self.raw(id, name).and_then(Value::as_f64);
        let is_default = match name {
            "denoise" | "batch_size" => value.as_f64() == Some(1.0),
            "add_noise" => *value == "enable" || *value == true,
            "return_with_leftover_noise" => *value == "disable",
            "start_at_step" => value.as_f64() == Some(0.0),
            "end_at_step" => value.as_f64() >= number("steps"),
            name => WITHOUT_EFFECT.contains(&name),
        };
        self.as_link(value).is_none() && !is_default && !shown(value).is_empty()
    }

    fn inputs(&self, id: &str) -> Option<&'a Map<String, Value>> {
        self.nodes.get(id)?.get("inputs")?.as_object()
    }

    fn raw(&self, id: &str, name: &str) -> Option<&'a Value> {
        self.inputs(id)?.get(name)
    }

    fn class(&self, id: &str) -> &'a str {
        self.nodes.get(id).and_then(|node| node.get("class_type")?.as_str()).unwrap_or_default()
    }

    /// The node and output that an input is linked to.
    fn link(&self, id: &str, name: &str) -> Option<(&'a str, i64)> {
        self.as_link(self.raw(id, name)?)
    }

    fn as_link(&self, value: &Value) -> Option<(&'a str, i64)> {
        let [from, slot] = value.as_array()?.as_slice() else { return None };
        let (id, _) = match from {
            Value::String(id) => self.nodes.get_key_value(id),
            Value::Number(id) => self.nodes.get_key_value(&id.to_string()),
            _ => None,
        }?;
        Some((id, slot.as_i64()?))
    }
}

#[cfg(test)]
#[path = "comfyui/tests.rs"]
mod tests;
