//! Which files of a component's folder hold its weights, where several could.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::files::Files;
use super::kind::FileKind;
use crate::diffusion::{Error, Result};

/// The files that hold a component's weights.
///
/// Plain weights come before every variant. Of an index of shards and a whole file, diffusers takes the index
/// (`models/modeling_utils.py`) and transformers the whole file (`modeling_utils.py`).
pub(super) fn component_files(folder: &Files, stem: &str) -> Result<Vec<String>> {
    match choose(folder, stem) {
        Some(Choice { file, index: true, .. }) => shards(folder, &file),
        Some(Choice { file, .. }) => Ok(vec![file]),
        None => Err(without_weights(folder, stem)),
    }
}

/// Says which weights are used if a folder offers others as well, or only a variant.
pub(in crate::diffusion) fn note(folder: &Files, stem: &str) -> Option<String> {
    let name = folder.path();
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let Choice { file, other, variant, .. } = choose(folder, stem)?;
    match (other, variant) {
        (Some(other), _) => Some(format!("{name}/{file} is used and {other} is not, as in diffusers")),
        // Checkpoints are commonly published with this variant only.
        (None, Some(variant)) if variant != "fp16" => {
            Some(format!("{name}/{file} is used: there are no weights but those of the variant {variant}"))
        }
        _ => None,
    }
}

/// What a folder's weights are.
struct Choice {
    /// The weights, or the index of their shards.
    file: String,
    index: bool,
    /// The other one of the two.
    other: Option<String>,
    variant: Option<String>,
}

fn choose(folder: &Files, stem: &str) -> Option<Choice> {
    let plain = among(folder, stem, format!("{stem}.safetensors"), &[format!("{stem}.safetensors.index.json")]);
    plain.or_else(|| {
        let variants = variants(folder, stem);
        let variant = ["fp32", "fp16", "bf16"].into_iter().find(|known| variants.contains(*known));
        let variant = variant.map(str::to_owned).or_else(|| variants.first().cloned())?;
        // The second form is the older one.
        let indices = ["index.{}", "{}.index"].map(|form| form.replace("{}", &variant));
        let indices = indices.map(|middle| format!("{stem}.safetensors.{middle}.json"));
        let choice = among(folder, stem, format!("{stem}.{variant}.safetensors"), &indices)?;
        Some(Choice { variant: Some(variant), ..choice })
    })
}

fn among(folder: &Files, stem: &str, whole: String, indices: &[String]) -> Option<Choice> {
    let whole = folder.has(&whole).then_some(whole);
    let index = indices.iter().find(|index| folder.has(index)).cloned();
    let prefers_index = stem == "diffusion_pytorch_model";
    let choice = |file, index, other| Some(Choice { file, index, other, variant: None });
    match (whole, index) {
        (Some(whole), Some(index)) if prefers_index => choice(index, true, Some(whole)),
        (Some(whole), index) => choice(whole, false, index),
        (None, Some(index)) => choice(index, true, None),
        (None, None) => None,
    }
}

/// The variants that a folder has weights of, such as `fp16` in `model.fp16.safetensors`.
fn variants(folder: &Files, stem: &str) -> BTreeSet<String> {
    let variant = |name: String| {
        let rest = name.strip_prefix(stem)?.strip_prefix('.')?;
        let index = rest.strip_prefix("safetensors.").and_then(|rest| rest.strip_suffix(".json"));
        let variant = match index {
            Some(middle) => middle.strip_prefix("index.").or_else(|| middle.strip_suffix(".index"))?,
            None => rest.strip_suffix(".safetensors")?,
        };
        // A shard's name has a number after a hyphen.
        (!variant.is_empty() && !variant.contains(['.', '-'])).then(|| variant.to_owned())
    };
    folder.names().into_iter().filter_map(variant).collect()
}

/// The `weight_map` of an index names the shard of each tensor.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

fn shards(folder: &Files, index: &str) -> Result<Vec<String>> {
    let ShardIndex { weight_map } = folder.json(index)?;
    let mut shards: Vec<String> = weight_map.into_values().collect();
    shards.sort();
    shards.dedup();
    if let Some(outside) = shards.iter().find(|shard| shard.contains(['/', '\\']) || shard.starts_with('.')) {
        let reason = format!("the shard {outside:?} is not a plain file name");
        return Err(Error::BadConfig { path: folder.path_of(index), reason });
    }
    Ok(shards)
}

/// The error for a folder without safetensors: it says what is there instead.
fn without_weights(folder: &Files, stem: &str) -> Error {
    let wanted = format!("{stem}.safetensors");
    let names = folder.names();
    let usual = [format!("{stem}.bin"), "pytorch_model.bin".to_owned()];
    let other = ["bin", "ckpt", "pt", "pth", "pkl", "gguf", "onnx"];
    let has_ending = |name: &&String| name.rsplit_once('.').is_some_and(|(_, ending)| other.contains(&ending));
    let found = usual.iter().find(|name| names.contains(name)).or_else(|| names.iter().find(has_ending));
    let Some(found) = found else {
        // No variant exists: report the ordinary name as missing.
        return folder.missing(&wanted);
    };
    let path = folder.path_of(found);
    match folder.kind(found) {
        Some(FileKind::Safetensors) => {
            Error::WrongFile { path, what: "a safetensors file", remedy: format!("rename it to {wanted}") }
        }
        None | Some(FileKind::Pickle) if found.contains("-of-") => Error::WrongFile {
            path,
            what: "a part of a pickle checkpoint",
            remedy: format!("use a copy of the model that has {wanted}"),
        },
        Some(FileKind::Pickle) => Error::Pickle { path, target: folder.path_of(&wanted) },
        Some(kind) => kind.refuse_as_weights(&path).unwrap_or_else(|| folder.missing(&wanted)),
        None => folder.missing(&wanted),
    }
}
