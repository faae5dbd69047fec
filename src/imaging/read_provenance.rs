//! Reads what a PNG says about itself: our own record, or the parameters that AUTOMATIC1111's web UI and others write.
//!
//! Files are untrusted: texts are limited before they are decompressed, and every value is validated.

use std::io::Cursor;
use std::path::Path;

use image::RgbImage;
use serde_json::{Map, Value};

use super::provenance::{DIGITAL_SOURCE_TYPE, PARAMETERS, RECORD, XMP};
use super::{Error, Provenance, Result, decode_picture, encode_png, parameters};
use crate::studio::account::{Account, UNKNOWN_MODEL, Writer};
use crate::studio::prompt::{Block, Prompt};
use crate::studio::recipe::{Model, ModelHashes};
use crate::studio::settings::Settings;
use crate::studio::subject::TaskId;

/// The limit for a decompressed text, in bytes. Prompts have a few hundred.
const MAX_TEXT_BYTES: usize = 256 << 10;
/// The limit for all chunks apart from the pixels, colour profiles and EXIF included, in bytes.
const MAX_METADATA_BYTES: usize = 16 << 20;

/// What the texts of a PNG say.
#[derive(Clone, Debug, Default)]
pub struct FileProvenance {
    /// How the picture was made, if the file says so.
    pub account: Option<Account>,
    /// The parameters and our own record, as the file contains them.
    parameters: Option<String>,
    record: Option<Value>,
    /// Whether the file carries the IPTC's mark for generated pictures.
    pub has_ai_mark: bool,
}

/// Reads the texts of a PNG, if it has any. `path` is for error messages.
///
/// # Errors
/// If the file is not a PNG, is damaged, or has overlong texts.
pub fn read_provenance(path: &Path, bytes: &[u8]) -> Result<FileProvenance> {
    let texts = texts(path, bytes)?;
    let text = |keyword: &str| texts.iter().find(|(found, _)| found == keyword).map(|(_, text)| text.as_str());
    let record: Option<Value> = text(RECORD).and_then(|record| serde_json::from_str(record).ok());
    let parameters = text(PARAMETERS).map(str::to_owned);
    let own = record.as_ref().and_then(parse_record);
    let record = record.filter(|_| own.is_some());
    Ok(FileProvenance {
        account: own.or_else(|| parameters.as_deref().and_then(parameters::parse)),
        parameters,
        record,
        has_ai_mark: text(XMP).is_some_and(|xmp| xmp.contains(DIGITAL_SOURCE_TYPE)),
    })
}

/// A generated picture's file without its prompts, but with the mark that it was generated. The pixels stay the same.
pub fn strip_prompts(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    // Thumbnails may be of another format, without texts.
    let account = read_provenance(path, bytes).ok().and_then(|found| found.account);
    encode_png(&decode_picture(path, bytes)?, &Provenance::stripped(account.as_ref()))
}

/// Encodes an imported picture: its pixels, the mark that it was generated, and its file's account of how it was made.
/// Everything else in the file is dropped. A file that this program wrote stays the same.
pub fn encode_import(picture: &RgbImage, found: &FileProvenance) -> Result<Vec<u8>> {
    encode_png(picture, &Provenance::of_import(found.parameters.as_deref(), found.record.as_ref()))
}

/// The keywords and texts of our keywords, from the chunks before the pixels.
fn texts(path: &Path, bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let damaged = |error: png::DecodingError| Error::Damaged { path: path.to_owned(), reason: error.to_string() };
    let decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MAX_METADATA_BYTES });
    let reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let wanted = |keyword: &str| [XMP, RECORD, PARAMETERS].contains(&keyword);
    let too_long = || Error::TooMuchText { path: path.to_owned(), limit: MAX_TEXT_BYTES };
    let mut texts = Vec::new();
    for mut chunk in info.utf8_text.iter().filter(|chunk| wanted(&chunk.keyword)).cloned() {
        chunk.decompress_text_with_limit(MAX_TEXT_BYTES).map_err(|_| too_long())?;
        texts.extend(chunk.get_text().ok().map(|text| (chunk.keyword, text)));
    }
    for mut chunk in info.compressed_latin1_text.iter().filter(|chunk| wanted(&chunk.keyword)).cloned() {
        chunk.decompress_text_with_limit(MAX_TEXT_BYTES).map_err(|_| too_long())?;
        texts.extend(chunk.get_text().ok().map(|text| (chunk.keyword, text)));
    }
    let plain = info.uncompressed_latin1_text.iter().filter(|chunk| wanted(&chunk.keyword));
    texts.extend(plain.map(|chunk| (chunk.keyword.clone(), chunk.text.clone())));
    if texts.iter().any(|(_, text)| text.len() > MAX_TEXT_BYTES) { Err(too_long()) } else { Ok(texts) }
}

/// Parses our own record; `None` if it is not the record of a generated picture.
fn parse_record(record: &Value) -> Option<Account> {
    let record = record.as_object()?;
    record.get("generator")?.as_str().filter(|generator| generator.starts_with("pentimento "))?;
    let mut fields = Fields { record, not_understood: Vec::new() };
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
        writer: Writer::Pentimento,
        prompt,
        seed: fields.value("seed", Value::as_u64),
        settings,
        model: Model { checkpoint: checkpoint.unwrap_or_else(|| UNKNOWN_MODEL.to_owned()), adapter, image_encoder },
        hashes: ModelHashes { checkpoint: checkpoint_hash, adapter: adapter_hash, image_encoder: image_encoder_hash },
        reference: fields.ingredient("reference").1,
        task: fields.value("task", task),
        parent: fields.value("parent", task),
        not_understood: fields.not_understood,
    })
}

/// The fields of a record, and the names of the invalid ones.
struct Fields<'a> {
    record: &'a Map<String, Value>,
    not_understood: Vec<String>,
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
            self.not_understood.push(name.to_owned());
        }
        found
    }

    fn settings(&mut self) -> Settings {
        let Some(record) = self.record.get("settings").and_then(Value::as_object) else { return Settings::default() };
        let (settings, mut invalid) = Settings::from_record_lenient(record);
        self.not_understood.append(&mut invalid);
        settings
    }

    /// The name and the hash of a file or folder that the picture was generated with.
    fn ingredient(&mut self, name: &str) -> (Option<String>, Option<blake3::Hash>) {
        let Some(Value::Object(ingredient)) = self.record.get(name) else { return (None, None) };
        let mut fields = Fields { record: ingredient, not_understood: Vec::new() };
        let name_in_record = fields.text("name").and_then(parameters::model_name);
        let hash = fields.value("blake3", |value| blake3::Hash::from_hex(value.as_str()?).ok());
        if !fields.not_understood.is_empty() {
            self.not_understood.push(format!("{name}'s hash"));
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
