//! A bundle to import, and where the bytes of its blobs come from.

use std::cell::RefCell;
use std::path::PathBuf;

use super::archive::Archive;
use super::rows::Bundle;
use crate::store::Result;
use crate::store::blobs::Source;

/// A bundle to import.
pub struct Parcel {
    /// The file it comes from, for messages.
    pub path: PathBuf,
    pub bundle: Bundle,
    pub blobs: Box<Source<'static>>,
}

impl Parcel {
    /// A bundle in an archive. Blobs are read from the archive when they are needed.
    pub fn of_archive(path: PathBuf, mut archive: Archive) -> Result<Self> {
        let bundle = archive.rows()?;
        let archive = RefCell::new(archive);
        Ok(Self { path, bundle, blobs: Box::new(move |hash| archive.borrow_mut().blob(hash)) })
    }
}
