//! Graphs are followed to their values, and no graph keeps the reader busy.

use serde_json::json;

use super::*;

fn graph(text: Value, more: Value) -> Map<String, Value> {
    let mut nodes = json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}},
        "3": {"class_type": "KSampler", "inputs": {"seed": 3, "steps": 4, "cfg": 5, "positive": ["2", 0], "model": ["1", 0]}},
    });
    nodes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    nodes.as_object().unwrap().clone()
}

fn prompt(text: Value, more: Value) -> Option<String> {
    let account = read(&graph(text, more)).ok()?;
    Some(account.prompt.block(crate::studio::prompt::Block::Subject).to_owned())
}

#[test]
fn a_text_is_followed_through_nodes_that_carry_it() {
    let join = |a: Value, b: Value| json!({"class_type": "StringConcatenate", "inputs": {"string_a": a, "string_b": b, "delimiter": "-"}});
    let carrier = |text: Value| json!({"class_type": "Text", "inputs": {"value": text}});
    assert_eq!(prompt(json!("x"), json!({})).as_deref(), Some("x"));
    assert_eq!(
        prompt(json!(["4", 0]), json!({"4": carrier(json!(["5", 0])), "5": carrier(json!("y"))})).as_deref(),
        Some("y")
    );
    let joined = json!({"4": join(json!("a"), json!(["5", 0])), "5": join(json!(["6", 0]), json!("c")), "6": carrier(json!("b"))});
    assert_eq!(prompt(json!(["4", 0]), joined).as_deref(), Some("a-b-c"));
    // A number is no prompt, and two texts are not one.
    assert_eq!(prompt(json!(["4", 0]), json!({"4": {"class_type": "X", "inputs": {"seed": 7}}})), None);
    assert_eq!(
        prompt(json!(["4", 0]), json!({"4": {"class_type": "X", "inputs": {"text": "a", "string": "b"}}})),
        None
    );
}

#[test]
fn cycles_end() {
    let join = json!({"class_type": "StringConcatenate", "inputs": {"string_a": ["4", 0], "string_b": ["5", 0], "delimiter": ["4", 0]}});
    let carrier = json!({"class_type": "Text", "inputs": {"value": ["4", 0]}});
    assert_eq!(prompt(json!(["4", 0]), json!({"4": join, "5": carrier})), None);
    let own = json!({"class_type": "Text", "inputs": {"value": ["4", 0], "text": ["4", 0]}});
    assert_eq!(prompt(json!(["4", 0]), json!({"4": own})), None);
    let conditioning =
        json!({"class_type": "X", "inputs": {"conditioning": ["2", 0], "latent_image": ["3", 0], "model": ["1", 0]}});
    let mut nodes = graph(json!("x"), json!({"1": conditioning, "2": conditioning}));
    nodes["3"]["inputs"]["latent_image"] = json!(["1", 0]);
    assert!(read(&nodes).is_err());
}

#[test]
fn large_graphs_are_read_quickly() {
    let mut nodes = graph(json!("x"), json!({}));
    for number in 10..20_000 {
        let inputs = json!({"images": [(number + 1).to_string(), 0], "samples": ["3", 0], "latent_image": [(number + 1).to_string(), 0]});
        nodes.insert(number.to_string(), json!({"class_type": "SaveImage", "inputs": inputs}));
    }
    nodes["3"]["inputs"]["latent_image"] = json!(["10", 0]);
    let start = std::time::Instant::now();
    read(&nodes).unwrap();
    assert!(start.elapsed().as_secs() < 10);
}
