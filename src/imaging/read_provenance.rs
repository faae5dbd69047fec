//! Reads what an image file says about how it was made: our own record, or what another program wrote.
//!
//! Files are untrusted: every value is validated.

use std::path::Path;

use image::RgbImage;
use serde_json::{Map, Value};

use super::metadata::{self, Text, XMP};
use super::programs::{self, Found, PARAMETERS, model_name};
use super::provenance::{DIGITAL_SOURCE_TYPE, RECORD};
use super::{Provenance, Result, decode_picture, encode_png};
use crate::studio::account::{Account, Program, UNKNOWN_MODEL};
use crate::studio::prompt::{Block, Prompt};
use crate::studio::recipe::{Model, ModelHashes};
use crate::studio::settings::Settings;
use crate::studio::subject::TaskId;

/// What a file says about how it was made.
#[derive(Clone, Debug, Default)]
pub struct FileProvenance {
    pub account: Option<Account>,
    /// Why there is no account, if the file says something that cannot be read.
    pub refusal: Option<Refusal>,
    /// The texts that the account is from, and our own record.
    texts: Vec<Text>,
    record: Option<Value>,
    /// Whether the file carries the IPTC's mark for generated pictures.
    pub has_ai_mark: bool,
}

/// Why a file's metadata cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another program's metadata has no run.
    Program(Program, String),
    /// The file has this, in an encoding that cannot be decoded.
    Undecoded(&'static str),
}

/// Reads the metadata of a PNG, JPEG or WebP. `path` is for error messages.
///
/// # Errors
/// If the file has overlong texts.
pub fn read_provenance(path: &Path, bytes: &[u8]) -> Result<FileProvenance> {
    let metadata = metadata::read(path, bytes)?;
    let has_ai_mark = metadata.text(XMP).is_some_and(|xmp| xmp.contains(DIGITAL_SOURCE_TYPE));
    let record: Option<Value> = metadata.text(RECORD).and_then(|record| serde_json::from_str(record).ok());
    let mut found = FileProvenance { has_ai_mark, ..FileProvenance::default() };
    if let Some(account) = record.as_ref().and_then(parse_record) {
        let is_parameters = |text: &&Text| text.keyword == PARAMETERS;
        found.texts = metadata.texts.iter().find(is_parameters).cloned().into_iter().collect();
        (found.account, found.record) = (Some(account), record);
        return Ok(found);
    }
    match programs::read(&metadata) {
        Some(Found::Account(account, texts)) => (found.account, found.texts) = (Some(*account), texts),
        Some(Found::Refused(program, reason)) => found.refusal = Some(Refusal::Program(program, reason)),
        None => found.refusal = metadata.undecoded.first().map(|what| Refusal::Undecoded(what)),
    }
    Ok(found)
}

/// A generated picture's file without its prompts, but with the mark that it was generated. The pixels stay the same.
pub fn strip_prompts(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    // Thumbnails may be of another format, without texts.
    let account = read_provenance(path, bytes).ok().and_then(|found| found.account);
    encode_png(&decode_picture(path, bytes)?, &Provenance::stripped(account.as_ref()))
}

/// Encodes an imported picture: its pixels, the mark that it was generated, and the texts about how it was made.
/// Everything else in the file is dropped. A file that this program wrote stays the same.
pub fn encode_import(picture: &RgbImage, found: &FileProvenance) -> Result<Vec<u8>> {
    encode_png(picture, &Provenance::of_import(&found.texts, found.record.as_ref()))
}

/// Parses our own record; `None` if it is not the record of a generated picture.
fn parse_record(record: &Value) -> Option<Account> {
    let record = record.as_object()?;
    record.get("generator")?.as_str().filter(|generator| generator.starts_with("pentimento "))?;
    let mut fields = Fields { record, not_applied: Vec::new() };
    let mut prompt = Prompt::new().with_negative(fields.text("negative").unwrap_or_default());
    match record.get("blocks").and_then(Value::as_object) {
        Some(blocks) => Block::ALL.iter().for_each(|&block| {
            prompt.set(block, blocks.get(block.name()).and_then(Value::as_str).unwrap_or_default());
        }),
        None if record.get("stripped") == Some(&Value::Bool(true)) => {}
        None => prompt.set(Block::Subject, fields.text("prompt")?),
    }
    let settings = fields.settings();
    let (checkpoint, checkpoint_hash) = fields.ingredient("model");
    let (adapter, adapter_hash) = fields.ingredient("adapter");
    let (image_encoder, image_encoder_hash) = fields.ingredient("image_encoder");
    Some(Account {
        program: Program::Pentimento,
        prompt,
        seed: fields.value("seed", Value::as_u64),
        settings,
        model: Model { checkpoint: checkpoint.unwrap_or_else(|| UNKNOWN_MODEL.to_owned()), adapter, image_encoder },
        hashes: ModelHashes { checkpoint: checkpoint_hash, adapter: adapter_hash, image_encoder: image_encoder_hash },
        reference: fields.ingredient("reference").1,
        task: fields.value("task", task),
        parent: fields.value("parent", task),
        not_applied: fields.not_applied,
    })
}

/// The fields of a record, and the names of the invalid ones.
struct Fields<'a> {
    record: &'a Map<String, Value>,
    not_applied: Vec<String>,
}

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.record.get(name)?.as_str()
    }

    /// An optional field. If its value is invalid, its name is noted.
    fn value<T>(&mut self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let found = match self.record.get(name)? {
            Value::Null => return None,
            value => read(value),
        };
        if found.is_none() {
            self.not_applied.push(name.to_owned());
        }
        found
    }

    fn settings(&mut self) -> Settings {
        let Some(record) = self.record.get("settings").and_then(Value::as_object) else { return Settings::default() };
        let (settings, mut invalid) = Settings::from_record_lenient(record);
        self.not_applied.append(&mut invalid);
        settings
    }

    /// The name and the hash of a file or folder that the picture was generated with.
    fn ingredient(&mut self, name: &str) -> (Option<String>, Option<blake3::Hash>) {
        let Some(Value::Object(ingredient)) = self.record.get(name) else { return (None, None) };
        let mut fields = Fields { record: ingredient, not_applied: Vec::new() };
        let name_in_record = fields.text("name").and_then(model_name);
        let hash = fields.value("blake3", |value| blake3::Hash::from_hex(value.as_str()?).ok());
        if !fields.not_applied.is_empty() {
            self.not_applied.push(format!("{name}'s hash"));
        }
        (name_in_record, hash)
    }
}

fn task(value: &Value) -> Option<TaskId> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
#[path = "read_provenance/tests.rs"]
mod tests;
