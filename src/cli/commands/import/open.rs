//! Opens the files of an import: bundles, and pictures that record how they were generated.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::cli::failure::UsageError;
use crate::imaging::read_provenance::{Refusal, encode_import, read_provenance};
use crate::imaging::{self, Provenance};
use crate::store::Reader;
use crate::store::blobs::Content;
use crate::store::bundle::Parcel;
use crate::store::bundle::archive::Archive;
use crate::store::bundle::picture::Incoming;
use crate::studio::account::Account;
use crate::studio::subject::{Handle, OutputName};

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error(
        "{} is neither a bundle nor an image: import a bundle from `export`, or the original PNG, JPEG or WebP",
        path.display()
    )]
    OtherFormat { path: PathBuf },
    #[error(
        "{} does not record how it was generated: most websites remove that, so ask for the original file",
        path.display()
    )]
    NoRecord { path: PathBuf },
    #[error("{} is an image of {program}, but {reason}: import an image that it made from a prompt", path.display())]
    NoRun { path: PathBuf, program: &'static str, reason: String },
    #[error("{} contains {what}, which pentimento cannot decode: save the text as UNICODE", path.display())]
    Undecoded { path: PathBuf, what: &'static str },
}

/// An opened file.
pub enum Opened {
    Bundle(Parcel),
    Picture {
        parcel: Parcel,
        account: Box<Account>,
        /// The project lacks the reference that the picture was made with.
        reference_missing: bool,
    },
    /// The project already has this file, as this output.
    Known(OutputName),
}

/// Opens files for one import.
pub struct Opener<'a> {
    reader: &'a Reader,
    /// The subject of pictures, if the command names one.
    subject: Option<&'a Handle>,
    /// Subjects that pictures of this import create.
    new_subjects: HashMap<Handle, Uuid>,
}

impl<'a> Opener<'a> {
    pub fn new(reader: &'a Reader, subject: Option<&'a Handle>) -> Self {
        Self { reader, subject, new_subjects: HashMap::new() }
    }

    pub fn open(&mut self, path: &Path) -> anyhow::Result<Opened> {
        match &first_bytes(path)?[..] {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => {
                Ok(Opened::Bundle(Parcel::of_archive(path.to_owned(), Archive::open(path)?)?))
            }
            [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => self.picture(path),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => self.picture(path),
            _ => Err(OpenError::OtherFormat { path: path.to_owned() }.into()),
        }
    }

    fn picture(&mut self, path: &Path) -> anyhow::Result<Opened> {
        let bytes = imaging::read_file(path)?;
        // Before the metadata, because a damaged file may have lost it.
        let decoded = imaging::decode_picture(path, &bytes)?;
        let provenance = read_provenance(path, &bytes)?;
        let Some(account) = provenance.account.clone() else {
            let path = path.to_owned();
            return Err(match provenance.refusal {
                Some(Refusal::Program(program, reason)) => OpenError::NoRun { path, program: program.name(), reason },
                Some(Refusal::Undecoded(what)) => OpenError::Undecoded { path, what },
                None => OpenError::NoRecord { path },
            }
            .into());
        };
        let content = |bytes| Content { bytes, media_type: "image/png" };
        let picture = content(encode_import(&decoded, &provenance)?);
        if let Some(output) = self.reader.output_with_picture(&blake3::hash(&picture.bytes))? {
            let task = self.reader.run_by_id(output.run)?.task;
            return Ok(Opened::Known(OutputName { task, seed: output.seed }));
        }
        let small = imaging::thumbnail(&decoded);
        let is_smaller = small.dimensions() != decoded.dimensions();
        let thumbnail =
            is_smaller.then(|| imaging::encode_png(&small, &Provenance::composed(json!({})))).transpose()?;
        let (subject, handle) = self.subject(path, &account)?;
        let reference = self.reference(&handle, &account)?;
        let reference_missing = account.reference.is_some() && reference.is_none();
        let incoming = Incoming {
            path: path.to_owned(),
            file: blake3::hash(&bytes),
            account: account.clone(),
            subject,
            handle,
            reference,
            picture,
            thumbnail: thumbnail.map(content),
            width: decoded.width(),
            height: decoded.height(),
        };
        let parcel = Parcel::of_picture(incoming, Timestamp::now())?;
        Ok(Opened::Picture { parcel, account: Box::new(account), reference_missing })
    }

    /// The subject of a picture: the one that the command names, else the one that the picture records.
    fn subject(&mut self, path: &Path, account: &Account) -> anyhow::Result<(Uuid, Handle)> {
        if let Some(handle) = self.subject {
            return Ok((self.reader.subject(handle)?.uuid, handle.clone()));
        }
        let Some(task) = &account.task else {
            let name = path.display();
            return Err(UsageError(format!("{name} records no subject: choose one with --subject")).into());
        };
        let handle = task.subject.clone();
        let existing = self.reader.subjects()?.into_iter().find(|subject| subject.handle == handle);
        let new = || *self.new_subjects.entry(handle.clone()).or_insert_with(Uuid::now_v7);
        Ok((existing.map(|subject| subject.uuid).unwrap_or_else(new), handle))
    }

    /// The subject's reference that the picture was made with, if the project has it.
    fn reference(&self, handle: &Handle, account: &Account) -> anyhow::Result<Option<Uuid>> {
        let Some(hash) = account.reference else { return Ok(None) };
        let Some(subject) = self.reader.subjects()?.into_iter().find(|subject| subject.handle == *handle) else {
            return Ok(None);
        };
        let mut references = self.reader.references(subject.id)?.into_iter();
        let found = references.find(|reference| reference.picture.is_some_and(|picture| picture.blob == hash));
        Ok(found.map(|reference| reference.uuid))
    }
}

fn first_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = |reason| OpenError::Unreadable { path: path.to_owned(), reason };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(OpenError::OtherFormat { path: path.to_owned() }.into());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(12).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}
