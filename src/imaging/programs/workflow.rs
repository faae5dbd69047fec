//! Turns a workflow of ComfyUI's editor into the nodes that its server runs.
//!
//! The editor stores the values of a node's widgets without their names. The names of common nodes are listed here; of
//! other nodes, the values stay one list.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// The names of the widgets, in the editor's order. `-` is what the editor adds after a seed.
const WIDGETS: [(&str, &[&str]); 16] = [
    ("KSampler", &["seed", "-", "steps", "cfg", "sampler_name", "scheduler", "denoise"]),
    (
        "KSamplerAdvanced",
        &[
            "add_noise",
            "noise_seed",
            "-",
            "steps",
            "cfg",
            "sampler_name",
            "scheduler",
            "start_at_step",
            "end_at_step",
            "return_with_leftover_noise",
        ],
    ),
    ("SamplerCustom", &["add_noise", "noise_seed", "-", "cfg"]),
    ("KSamplerSelect", &["sampler_name"]),
    ("BasicScheduler", &["scheduler", "steps", "denoise"]),
    ("KarrasScheduler", &["steps", "sigma_max", "sigma_min", "rho"]),
    ("RandomNoise", &["noise_seed", "-"]),
    ("CFGGuider", &["cfg"]),
    ("CLIPTextEncode", &["text"]),
    ("EmptyLatentImage", &["width", "height", "batch_size"]),
    ("EmptySD3LatentImage", &["width", "height", "batch_size"]),
    ("CheckpointLoaderSimple", &["ckpt_name"]),
    ("UNETLoader", &["unet_name", "weight_dtype"]),
    ("LoraLoader", &["lora_name", "strength_model", "strength_clip"]),
    ("PrimitiveNode", &["value", "-"]),
    ("SaveImage", &["filename_prefix"]),
];

/// Modes of a node that does not run, and of one that passes its inputs on.
const MUTED: i64 = 2;
const BYPASSED: i64 = 4;
/// The longest chain of nodes that only pass a value on.
const LONGEST_CHAIN: usize = 100;

/// The nodes by their numbers; `None` if this is no workflow.
pub(super) fn nodes(workflow: &Map<String, Value>) -> Option<Map<String, Value>> {
    let nodes: Vec<&Map<String, Value>> =
        workflow.get("nodes")?.as_array()?.iter().filter_map(Value::as_object).collect();
    if nodes.is_empty() {
        return None;
    }
    // A link: number, from node, from output, to node, to input, type.
    let links = workflow.get("links")?.as_array()?.iter();
    let sources: HashMap<i64, (i64, i64)> =
        links.filter_map(|link| Some((link[0].as_i64()?, (link[1].as_i64()?, link[2].as_i64()?)))).collect();
    let editor = Editor { by_number: nodes.iter().filter_map(|node| Some((number(node)?, *node))).collect(), sources };
    let runs = nodes.iter().filter(|node| !matches!(mode(node), MUTED | BYPASSED) && !passes_on(node));
    Some(runs.filter_map(|node| Some((number(node)?.to_string(), editor.node(node)))).collect())
}

struct Editor<'a> {
    by_number: HashMap<i64, &'a Map<String, Value>>,
    sources: HashMap<i64, (i64, i64)>,
}

impl Editor<'_> {
    fn node(&self, node: &Map<String, Value>) -> Value {
        let class = class(node);
        let mut inputs = Map::new();
        match (node.get("widgets_values"), WIDGETS.iter().find(|(known, _)| *known == class)) {
            (Some(Value::Array(values)), Some((_, names))) => {
                let named = names.iter().zip(values).filter(|(name, _)| **name != "-");
                inputs.extend(named.map(|(name, value)| ((*name).to_owned(), value.clone())));
                // What the table does not name is not lost.
                if values.len() > names.len() {
                    inputs.insert("widgets_values".to_owned(), json!(values[names.len()..]));
                }
            }
            // Some nodes name their values.
            (Some(Value::Object(values)), _) => inputs.extend(values.clone()),
            (Some(values), _) => drop(inputs.insert("widgets_values".to_owned(), values.clone())),
            (None, _) => {}
        }
        for input in node.get("inputs").and_then(Value::as_array).into_iter().flatten() {
            let source = input["link"].as_i64().and_then(|link| self.source(link));
            if let (Some(name), Some((from, slot))) = (input["name"].as_str(), source) {
                inputs.insert(name.to_owned(), json!([from.to_string(), slot]));
            }
        }
        json!({"class_type": class, "inputs": inputs})
    }

    /// The node and output that a link comes from, through nodes that only pass a value on.
    fn source(&self, link: i64) -> Option<(i64, i64)> {
        let (mut from, mut slot) = *self.sources.get(&link)?;
        for _ in 0..LONGEST_CHAIN {
            let node = self.by_number.get(&from)?;
            if mode(node) == MUTED {
                return None;
            }
            if mode(node) != BYPASSED && !passes_on(node) {
                return Some((from, slot));
            }
            let kind = &node.get("outputs")?.get(usize::try_from(slot).ok()?)?["type"];
            let inputs = node.get("inputs")?.as_array()?;
            let input = inputs.iter().find(|input| input["type"] == *kind || passes_on(node))?;
            (from, slot) = *self.sources.get(&input["link"].as_i64()?)?;
        }
        None
    }
}

fn class(node: &Map<String, Value>) -> &str {
    node.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn number(node: &Map<String, Value>) -> Option<i64> {
    node.get("id")?.as_i64()
}

fn mode(node: &Map<String, Value>) -> i64 {
    node.get("mode").and_then(Value::as_i64).unwrap_or(0)
}

/// Whether a node only bends a line in the editor.
fn passes_on(node: &Map<String, Value>) -> bool {
    class(node) == "Reroute"
}
