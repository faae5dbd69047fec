//! One pass over a bundle: matches rows by UUID, finds free handles and numbers, records blobs.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::super::check::{self, wrong};
use super::super::report::SubjectReport;
use super::super::rows::{Bundle, Digest, PictureRow};
use crate::store::blobs::Source;
use crate::store::columns::{Hash, Id};
use crate::store::{Error, Result, Store, subjects};
use crate::studio::consent::Consent;
use crate::studio::ids::{ReferenceId, SubjectId};
use crate::studio::reference::ReferenceState;
use crate::studio::subject::Handle;

/// One pass over a bundle.
pub(super) struct Import<'a> {
    store: &'a Store,
    pub connection: &'a Connection,
    media_types: HashMap<Digest, &'a str>,
    pub at: Timestamp,
    /// `None` in the trial pass, which is rolled back.
    source: Option<&'a Source<'a>>,
    /// The blobs that got a row.
    pub blobs: RefCell<Vec<blake3::Hash>>,
}

/// The imported rows of one subject that later rows refer to. Maps go from UUIDs to this project's keys.
pub(super) struct ImportedSubject {
    pub subject: SubjectId,
    pub consents: HashMap<Uuid, Consent>,
    /// A reference counts as withdrawn if the bundle or this project says so.
    pub references: HashMap<Uuid, (ReferenceId, ReferenceState)>,
    pub runs: HashMap<Uuid, i64>,
    pub outputs: HashMap<Uuid, i64>,
    pub report: SubjectReport,
}

/// The owner of a row.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    /// The project itself.
    Project,
    /// The row whose key is in this column.
    Row(&'static str, i64),
}

/// The columns of an image; all empty for a withdrawn reference.
#[derive(Default)]
pub(super) struct PictureColumns {
    pub picture: Option<Hash>,
    pub thumbnail: Option<Hash>,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

impl<'a> Import<'a> {
    pub fn new(
        store: &'a Store,
        connection: &'a Connection,
        bundle: &'a Bundle,
        at: Timestamp,
        source: Option<&'a Source<'a>>,
    ) -> Self {
        let media_types = bundle.blobs.iter().map(|blob| (blob.hash, blob.media_type.as_str())).collect();
        Self { store, connection, media_types, at, source, blobs: RefCell::default() }
    }

    /// The key of the row with a UUID. Fails if the row belongs to another owner here than in the bundle.
    pub fn find(&self, table: &str, uuid: Uuid, owner: Owner) -> Result<Option<i64>> {
        let column = if let Owner::Row(column, _) = owner { column } else { "id" };
        let sql = format!("SELECT id, {column} FROM {table} WHERE uuid = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found: Option<(i64, i64)> =
            statement.query_row([Id(uuid)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match (found, owner) {
            (Some((_, here)), Owner::Row(_, there)) if here != there => {
                Err(wrong(format!("{uuid} belongs to something else in this project")))
            }
            (found, _) => Ok(found.map(|(id, _)| id)),
        }
    }

    /// The handle, or the first free one of the form `handle-2`.
    pub fn free_handle(&self, wanted: &Handle) -> Result<Handle> {
        for handle in std::iter::once(wanted.clone()).chain((2..10_000).filter_map(|n| wanted.numbered(n))) {
            if subjects::find(self.connection, &handle)?.is_none() {
                return Ok(handle);
            }
        }
        Err(wrong(format!("no handle like {wanted} is free")))
    }

    /// The number, if it is higher than any that the subject has used for runs or references (`counter`), or the next
    /// one.
    pub fn free_number(&self, subject: SubjectId, counter: &'static str, wanted: u32) -> Result<u32> {
        let wanted = check::number(wanted)?;
        let sql = format!("UPDATE subjects SET {counter} = ?2 WHERE id = ?1 AND {counter} < ?2");
        let is_free = self.connection.prepare_cached(&sql)?.execute((subject.0, wanted))? == 1;
        if is_free { Ok(wanted) } else { subjects::next_number(self.connection, subject, counter) }
    }

    pub fn picture(&self, row: Option<&PictureRow>) -> Result<PictureColumns> {
        let Some(row) = row else { return Ok(PictureColumns::default()) };
        let (width, height) = check::size(row.width, row.height)?;
        Ok(PictureColumns {
            picture: Some(self.blob(row.blob)?),
            thumbnail: row.thumbnail.map(|thumbnail| self.blob(thumbnail)).transpose()?,
            width: Some(width),
            height: Some(height),
        })
    }

    /// Records a blob.
    pub fn blob(&self, digest: Digest) -> Result<Hash> {
        let media_type = self.media_types.get(&digest);
        let media_type = media_type.ok_or_else(|| wrong(format!("image {} is missing", digest.0)))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/+-.".contains(c);
        if media_type.is_empty() || media_type.len() > 64 || !media_type.chars().all(is_plain) {
            return Err(wrong(format!("an image has the media type {media_type:?}")));
        }
        self.blobs.borrow_mut().push(digest.0);
        self.store.record_fetched_blob(self.connection, &digest.0, media_type, self.source, self.at)
    }
}

/// An optional time as a column value.
pub(super) fn millis(at: Option<i64>) -> Result<Option<i64>, Error> {
    Ok(check::times(at)?.map(|at| at.as_millisecond()))
}
