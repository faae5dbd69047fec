//! An image whose metadata says how it was made, as a bundle: a run with one seed, and its output.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use uuid::Uuid;

use super::check::wrong;
use super::export::prompt;
use super::parcel::Parcel;
use super::rows::{BlobRow, Bundle, Digest, OutputRow, PictureRow, RunRow, SettingsRow, SubjectRow};
use crate::store::blobs::Content;
use crate::store::{Error, Result};
use crate::studio::account::{Account, Program};
use crate::studio::state::RunState;
use crate::studio::subject::Handle;
use crate::studio::text::clean;

/// An image to import, and what its metadata says.
pub struct Incoming {
    /// The file, for messages.
    pub path: PathBuf,
    /// Hash of the file. UUIDs are derived from it, so importing a file again adds nothing.
    pub file: blake3::Hash,
    pub account: Account,
    /// The subject: one of this project, or a new one.
    pub subject: Uuid,
    pub handle: Handle,
    /// The reference it was made with, if this project has it.
    pub reference: Option<Uuid>,
    pub picture: Content,
    pub thumbnail: Option<Content>,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// Limit of the note about an import, in bytes, without the words for what is left out.
const LONGEST_NOTE: usize = 8000;

impl Parcel {
    /// An image as a bundle. Fails if its metadata has no seed.
    pub fn of_picture(incoming: Incoming, at: Timestamp) -> Result<Self> {
        let account = &incoming.account;
        let seed = account.seed.ok_or_else(|| Error::BadBundle {
            path: incoming.path.clone(),
            reason: "its metadata has no seed".to_owned(),
        })?;
        let at = at.as_millisecond();
        let mut contents = HashMap::new();
        let mut blob = |content: &Content| {
            let hash = blake3::hash(&content.bytes);
            contents.insert(hash, content.clone());
            Digest(hash)
        };
        let picture = PictureRow {
            blob: blob(&incoming.picture),
            thumbnail: incoming.thumbnail.as_ref().map(&mut blob),
            width: incoming.width,
            height: incoming.height,
        };
        let output = OutputRow {
            uuid: incoming.id("pentimento 2026-11 output of an imported picture"),
            seed,
            picture,
            latents: None,
            measures: None,
            verdict: "open".to_owned(),
            created: at,
            reviews: Vec::new(),
        };
        let run = RunRow {
            uuid: incoming.id("pentimento 2026-11 run of an imported picture"),
            number: account.task.as_ref().map_or(1, |task| task.number),
            reference: incoming.reference,
            parent: None,
            prompt: prompt(&account.prompt),
            seeds: vec![seed],
            settings: SettingsRow(account.settings.clone()),
            checkpoint: account.model.checkpoint.clone(),
            adapter: account.model.adapter.clone(),
            image_encoder: account.model.image_encoder.clone(),
            checkpoint_hash: account.hashes.checkpoint.map(Digest),
            adapter_hash: account.hashes.adapter.map(Digest),
            image_encoder_hash: account.hashes.image_encoder.map(Digest),
            delta: None,
            debug_reason: None,
            profile: None,
            diagnosis: note(account),
            state: RunState::Done.name().to_owned(),
            error: None,
            timings: None,
            peak_memory: None,
            created: at,
            started: None,
            finished: Some(at),
            outputs: vec![output],
        };
        let subject = SubjectRow {
            uuid: incoming.subject,
            handle: incoming.handle.to_string(),
            name: incoming.handle.to_string(),
            note: String::new(),
            created: at,
            last_run: 0,
            last_reference: 0,
            consents: Vec::new(),
            references: Vec::new(),
            runs: vec![run],
            baselines: Vec::new(),
        };
        let blobs = contents
            .iter()
            .map(|(hash, content)| BlobRow { hash: Digest(*hash), media_type: content.media_type.to_owned() });
        let bundle = Bundle { subjects: vec![subject], presets: Vec::new(), blobs: blobs.collect() };
        let fetch = move |hash: &blake3::Hash| {
            let content = contents.get(hash).ok_or_else(|| wrong(format!("image {hash} is missing")))?;
            Ok(content.bytes.clone())
        };
        Ok(Self { path: incoming.path, bundle, blobs: Box::new(fetch) })
    }
}

impl Incoming {
    /// The UUID of a row made from this file for this subject. `what` tells the kinds of rows apart.
    fn id(&self, what: &str) -> Uuid {
        let mut hasher = blake3::Hasher::new_derive_key(what);
        hasher.update(self.subject.as_bytes()).update(self.file.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Uuid::new_v8(bytes)
    }
}

/// The note of the imported run: the origin of the image, and metadata that the run does not have. If it is too long, it
/// says how much is missing; the image keeps all of it.
fn note(account: &Account) -> String {
    let mut note = match (account.program, &account.task, &account.parent) {
        (Program::Pentimento, Some(task), Some(parent)) => {
            format!("imported image of {task}, child of {parent}")
        }
        (Program::Pentimento, Some(task), None) => format!("imported image of {task}"),
        (Program::Pentimento, None, _) => "imported image".to_owned(),
        (program, ..) => format!("imported image of {}", program.name()),
    };
    for (number, item) in account.not_applied.iter().enumerate() {
        let item = clean(item);
        let before = if number == 0 { "; not applied: " } else { "; " };
        if note.len() + before.len() + item.len() > LONGEST_NOTE {
            let left = account.not_applied.len() - number;
            note += &format!("{before}{left} more in the metadata of the image");
            break;
        }
        note += before;
        note += &item;
    }
    clean(&note)
}
