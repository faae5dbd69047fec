//! Reads what other programs write about a picture.
//!
//! - [`webui`]: the format of AUTOMATIC1111's web UI, with its [`pairs`]
//! - [`comfyui`]: node graphs, also as a [`workflow`] of the editor
//! - [`objects`]: JSON objects of other programs
//! - [`draft`]: what the run gets of all that; [`samplers`]: their names of samplers

mod comfyui;
mod draft;
mod objects;
mod pairs;
mod samplers;
mod webui;
mod workflow;

use serde_json::{Map, Value};

pub(super) use draft::model_name;

use super::metadata::{IMAGE_DESCRIPTION, Metadata, Text, USER_COMMENT};
use crate::studio::account::{Account, Program};

/// The texts that the web UI and many others use.
pub(super) const PARAMETERS: &str = "parameters";
const PROMPT: &str = "prompt";
const WORKFLOW: &str = "workflow";

/// How another program says that it made the picture.
pub(super) enum Found {
    /// The account, and the texts that it is from.
    Account(Box<Account>, Vec<Text>),
    /// The program cannot be read, because of this.
    Refused(Program, String),
}

/// Reads the texts of another program.
pub(super) fn read(metadata: &Metadata) -> Option<Found> {
    // The web UI writes a text chunk or a user comment; other programs write their own format at the same places.
    let general = [PARAMETERS, USER_COMMENT, IMAGE_DESCRIPTION, "XPComment", "Comment", "Description"];
    let mut refused = None;
    for keyword in general {
        let Some(text) = metadata.text(keyword) else { continue };
        match general_text(metadata, keyword, text) {
            Some(Found::Refused(program, reason)) => refused = refused.or(Some(Found::Refused(program, reason))),
            Some(found) => return Some(found),
            None => {}
        }
    }
    own_texts(metadata).or(refused).or_else(|| {
        let easy = metadata.text("negative_prompt").is_some();
        easy.then(|| Found::Refused(Program::EasyDiffusion, "pentimento does not read its metadata".to_owned()))
    })
}

/// Reads a text at a place that many programs use.
fn general_text(metadata: &Metadata, keyword: &str, text: &str) -> Option<Found> {
    let keep = |account: Account| {
        let mut kept = vec![Text { keyword: PARAMETERS.to_owned(), text: text.to_owned() }];
        kept.extend(metadata.texts.iter().filter(|text| text.keyword == "fooocus_scheme").cloned());
        Found::Account(Box::new(account), kept)
    };
    let Some(object) = draft::object(text) else {
        let has_settings = !matches!(keyword, "Comment" | "Description") || text.contains("Steps:");
        return has_settings.then(|| webui::parse(text).map(keep)).flatten();
    };
    let has = |names: &[&str]| names.iter().all(|name| object.contains_key(*name));
    if has(&["sui_image_params"]) {
        return Some(keep(objects::swarm(&object)?));
    }
    if has(&["metadata_scheme"]) || has(&["base_model", "guidance_scale"]) {
        return Some(keep(objects::fooocus(&object)));
    }
    if has(&["c", "seed", "sampler"]) {
        return Some(keep(objects::draw_things(&object)));
    }
    if has(&["uc", "seed", "scale"]) {
        return novel(metadata, &object);
    }
    if has(&["extraMetadata"]) || comfyui::is_graph(&object) {
        return Some(match comfyui::read_civitai(&object) {
            Ok(account) => keep(account),
            Err((program, reason)) => Found::Refused(program, reason),
        });
    }
    None
}

fn novel(metadata: &Metadata, object: &Map<String, Value>) -> Option<Found> {
    let account = objects::novel(object, metadata.text("Description"), metadata.text("Source"));
    let keywords = ["Title", "Software", "Description", "Comment", "Source"];
    let kept = metadata.texts.iter().filter(|text| keywords.contains(&text.keyword.as_str()));
    Some(Found::Account(Box::new(account), kept.cloned().collect()))
}

/// Reads the texts that only one program uses.
fn own_texts(metadata: &Metadata) -> Option<Found> {
    let kept = |keywords: &[&str]| {
        let is_kept = |text: &&Text| keywords.contains(&text.keyword.as_str());
        metadata.texts.iter().filter(is_kept).cloned().collect::<Vec<_>>()
    };
    let object = |keyword: &str| metadata.text(keyword).and_then(draft::object);
    if let Some(object) = object("invokeai_metadata") {
        return Some(Found::Account(Box::new(objects::invoke(&object)), kept(&["invokeai_metadata"])));
    }
    if let Some(account) = object("sd-metadata").as_ref().and_then(objects::invoke_2) {
        return Some(Found::Account(Box::new(account), kept(&["sd-metadata"])));
    }
    if let Some(account) = metadata.text("Dream").and_then(objects::dream) {
        return Some(Found::Account(Box::new(account), kept(&["Dream"])));
    }
    for keyword in ["invokeai_metadata", "sd-metadata", "Dream"] {
        if metadata.text(keyword).is_some() {
            let reason = format!("its text {keyword} has another form than expected");
            return Some(Found::Refused(Program::InvokeAi, reason));
        }
    }
    comfy(metadata)
}

/// ComfyUI's graph: in text chunks, or in EXIF after the name of the text.
fn comfy(metadata: &Metadata) -> Option<Found> {
    let graph = |name: &str| {
        let prefixed = |text: &Text| {
            let (prefix, rest) = text.text.split_once(':')?;
            (["Make", "Model", IMAGE_DESCRIPTION].contains(&text.keyword.as_str()) && prefix.eq_ignore_ascii_case(name))
                .then(|| rest.to_owned())
        };
        metadata.text(name).map(str::to_owned).or_else(|| metadata.texts.iter().find_map(prefixed))
    };
    let (prompt, workflow) = (graph(PROMPT), graph(WORKFLOW));
    let object = |text: &Option<String>| text.as_deref().and_then(draft::object);
    let (nodes, editor) = (object(&prompt).filter(comfyui::is_graph), object(&workflow));
    let editor = editor.as_ref().and_then(workflow::nodes);
    let is_graph = [&prompt, &workflow].into_iter().flatten().any(|text| text.trim_start().starts_with('{'));
    let kept = [(PROMPT, prompt), (WORKFLOW, workflow)];
    let kept = kept.into_iter().filter_map(|(keyword, text)| Some(Text { keyword: keyword.to_owned(), text: text? }));
    let read = match (nodes, editor) {
        (Some(nodes), _) => comfyui::read(&nodes),
        (None, Some(nodes)) => comfyui::read(&nodes),
        (None, None) if is_graph => Err("its graph is empty or damaged".to_owned()),
        (None, None) => return None,
    };
    Some(match read {
        Ok(account) => Found::Account(Box::new(account), kept.collect()),
        Err(reason) => Found::Refused(Program::ComfyUi, reason),
    })
}
