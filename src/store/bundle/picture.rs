//! One picture that tells how it was made, as the rows of a bundle: a run with one seed, and its output.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use uuid::Uuid;

use super::Parcel;
use super::check::wrong;
use super::export::{prompt, settings};
use super::rows::{BlobRow, Bundle, Digest, OutputRow, PictureRow, RunRow, SubjectRow};
use crate::store::blobs::Content;
use crate::store::{Error, Result};
use crate::studio::account::{Account, Writer};
use crate::studio::run::State;
use crate::studio::subject::Handle;
use crate::studio::text::clean;

/// A picture that came in, and what is known of it.
pub struct Incoming {
    /// For messages.
    pub path: PathBuf,
    /// The file as it came: the same file is the same run, however often it comes.
    pub file: blake3::Hash,
    pub account: Account,
    /// Whose portrait it is: a subject of this project, or one that is to be added.
    pub subject: Uuid,
    pub handle: Handle,
    /// The project's reference that it was made with, if it is here.
    pub reference: Option<Uuid>,
    pub picture: Content,
    pub thumbnail: Option<Content>,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// Characters of what is noted of an account.
const LONGEST_NOTE: usize = 500;

impl Parcel {
    pub fn of_picture(incoming: Incoming, at: Timestamp) -> Result<Self> {
        let account = &incoming.account;
        let seed = account.seed.ok_or_else(|| Error::BadBundle {
            path: incoming.path.clone(),
            reason: "it does not say from which seed it was made".to_owned(),
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
            settings: settings(&account.settings),
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
            state: State::Done.name().to_owned(),
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
            let content = contents.get(hash).ok_or_else(|| wrong(format!("its picture {hash} is missing")))?;
            Ok(content.bytes.clone())
        };
        Ok(Self { path: incoming.path, bundle, blobs: Box::new(fetch) })
    }
}

impl Incoming {
    /// The UUID of something of this file, for this subject.
    fn id(&self, what: &str) -> Uuid {
        let mut hasher = blake3::Hasher::new_derive_key(what);
        hasher.update(self.subject.as_bytes()).update(self.file.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Uuid::new_v8(bytes)
    }
}

/// Where it comes from, and what of its account has no place elsewhere.
fn note(account: &Account) -> String {
    let mut note = match (account.writer, &account.task, &account.parent) {
        (Writer::Pentimento, Some(task), Some(parent)) => {
            format!("imported as a picture of {task}, made from {parent}")
        }
        (Writer::Pentimento, Some(task), None) => format!("imported as a picture of {task}"),
        (Writer::Pentimento, None, _) => "imported as a picture".to_owned(),
        (Writer::WebUi, ..) => "imported as a picture of another program".to_owned(),
    };
    if !account.not_understood.is_empty() {
        note += &format!("; not understood: {}", account.not_understood.join(", "));
    }
    clean(&note).chars().take(LONGEST_NOTE).collect()
}
