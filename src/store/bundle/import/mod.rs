//! Putting the rows of bundles into a project: all of them, or nothing.
//!
//! The same row is known by its UUID: what is there already is left as it is. What is new must fit the rules of this
//! project as if it had been made here, and never takes anything from what is there. Short names and numbers that are
//! taken here give way: what comes gets others, and the report says which.
//!
//! **Rights.** Nothing becomes usable by an import that is not usable by both sides' word. A right counts as withdrawn
//! as soon as the bundle or this project says so; a reference under it comes without its picture, and what was made with
//! it does not come. An approved reference whose right is not in force comes as a candidate. A reference or an output
//! that is here keeps its state here, whatever the bundle says of it: withdrawn and rejected stay so. What the bundle
//! says was withdrawn and is still in force here is reported, for a person to withdraw: an import deletes nothing. A
//! subject that was forgotten left nothing here by which it could be known again; it comes like a new one, and the
//! report names every subject that was added.
//!
//! - here: the order of things, subjects, and finding what is there
//! - `rights`: rights and references; `runs`: runs, outputs, reviews; `settled`: baselines and presets

mod rights;
mod runs;
mod settled;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::archive::Archive;
use super::check::{self, wrong};
use super::report::{Imported, Report};
use super::rows::{Bundle, Digest, PictureRow, SubjectRow};
use crate::store::blobs::Source;
use crate::store::columns::{Hash, Id, Time, insert};
use crate::store::{Error, Result, Store, subjects};
use crate::studio::consent::Consent;
use crate::studio::ids::{ReferenceId, SubjectId};
use crate::studio::reference::State as ReferenceState;
use crate::studio::subject::Handle;

/// A bundle that came in.
pub struct Parcel {
    /// For messages.
    pub path: PathBuf,
    pub bundle: Bundle,
    pub blobs: Box<Source<'static>>,
}

impl Parcel {
    pub fn of_archive(path: PathBuf, mut archive: Archive) -> Result<Self> {
        let bundle = archive.rows()?;
        let archive = RefCell::new(archive);
        Ok(Self { path, bundle, blobs: Box::new(move |hash| archive.borrow_mut().blob(hash)) })
    }
}

impl Store {
    /// Puts bundles into the project: all of all of them, or nothing. Says what became of each.
    ///
    /// They are gone through twice. The first time everything is taken back, and shows what is wrong and which blobs will
    /// be needed; these are written in between, while nobody has to wait for the disk.
    pub fn import(&self, parcels: &[Parcel], at: Timestamp) -> Result<Vec<Report>> {
        let all = |connection: &Connection, source: Option<&Source<'_>>| {
            let mut needed = BTreeMap::new();
            let mut reports = Vec::with_capacity(parcels.len());
            for (number, parcel) in parcels.iter().enumerate() {
                let import = Import::new(self, connection, &parcel.bundle, at, source);
                reports.push(import.all(&parcel.bundle).map_err(|error| error.of_bundle(&parcel.path))?);
                needed.extend(import.blobs.into_inner().into_iter().map(|hash| (*hash.as_bytes(), number)));
            }
            Ok((reports, needed))
        };
        let (_, needed) = self.try_out(|transaction| all(transaction, None))?;
        let fetch = |hash: &blake3::Hash| {
            let number = needed.get(hash.as_bytes()).copied().unwrap_or_default();
            let parcel = parcels.get(number).ok_or_else(|| wrong(format!("its picture {hash} is missing")))?;
            match (parcel.blobs)(hash)? {
                bytes if blake3::hash(&bytes) == *hash => Ok(bytes),
                _ => Err(wrong(format!("its picture {hash} holds something else than its name says"))),
            }
        };
        let hashes: Vec<blake3::Hash> = needed.keys().map(|bytes| blake3::Hash::from_bytes(*bytes)).collect();
        self.write_with_files(&hashes, &fetch, |transaction| Ok(all(transaction, Some(&fetch))?.0))
    }

    /// Runs a step and takes back what it did.
    fn try_out<T>(&self, step: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.with_writer(|writer| {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            step(&transaction)
        })
    }
}

/// One pass over a bundle.
struct Import<'a> {
    store: &'a Store,
    connection: &'a Connection,
    media_types: HashMap<Digest, &'a str>,
    at: Timestamp,
    /// None: the pass that will be taken back.
    source: Option<&'a Source<'a>>,
    /// The blobs that rows were given.
    blobs: RefCell<Vec<blake3::Hash>>,
}

/// What the rows of one subject find out about each other.
struct Place {
    subject: SubjectId,
    consents: HashMap<Uuid, Consent>,
    /// Withdrawn as soon as either side says so.
    references: HashMap<Uuid, (ReferenceId, ReferenceState)>,
    runs: HashMap<Uuid, i64>,
    outputs: HashMap<Uuid, i64>,
    report: Imported,
}

/// Where a row hangs that has a UUID.
#[derive(Clone, Copy)]
enum Under {
    /// The project itself.
    Nothing,
    /// The row of this key, which this column holds.
    Row(&'static str, i64),
}

impl<'a> Import<'a> {
    fn new(
        store: &'a Store,
        connection: &'a Connection,
        bundle: &'a Bundle,
        at: Timestamp,
        source: Option<&'a Source<'a>>,
    ) -> Self {
        let media_types = bundle.blobs.iter().map(|blob| (blob.hash, blob.media_type.as_str())).collect();
        Self { store, connection, media_types, at, source, blobs: RefCell::default() }
    }

    fn all(&self, bundle: &Bundle) -> Result<Report> {
        let mut report = Report::default();
        for row in &bundle.subjects {
            report.subjects.push(self.subject(row)?);
        }
        bundle.presets.iter().try_for_each(|row| self.preset(&mut report.presets, row))?;
        Ok(report)
    }

    fn subject(&self, row: &SubjectRow) -> Result<Imported> {
        let was: Handle = check::parsed(&row.handle)?;
        let found = self.found("subjects", row.uuid, Under::Nothing)?;
        let id = match found {
            Some(id) => id,
            None => {
                let handle = self.free_handle(&was)?;
                let columns: [(&str, &dyn rusqlite::ToSql); 5] = [
                    ("uuid", &Id(row.uuid)),
                    ("handle", &handle.as_str()),
                    ("name", &check::required("the name of a subject", &row.name)?),
                    ("note", &check::words("a note", &row.note)?),
                    ("created", &Time(check::time(row.created)?)),
                ];
                insert(self.connection, "subjects", &columns)?
            }
        };
        let subject = SubjectId(id);
        let handle = subjects::by_id(self.connection, subject)?.handle;
        let mut place = Place {
            subject,
            consents: HashMap::new(),
            references: HashMap::new(),
            runs: HashMap::new(),
            outputs: HashMap::new(),
            report: Imported::new(was, handle),
        };
        place.report.subjects.add(found.is_none());
        row.consents.iter().try_for_each(|consent| self.consent(&mut place, consent))?;
        row.references.iter().try_for_each(|reference| self.reference(&mut place, reference))?;
        row.runs.iter().try_for_each(|run| self.run(&mut place, run))?;
        row.baselines.iter().try_for_each(|baseline| self.baseline(&mut place, baseline))?;
        if found.is_none() {
            // Numbers whose bearers were deleted are not given again here either.
            let numbers = (id, check::last_number(row.last_run)?, check::last_number(row.last_reference)?);
            let sql = "UPDATE subjects SET last_run = max(last_run, ?2), last_reference = max(last_reference, ?3)
                       WHERE id = ?1";
            self.connection.execute(sql, numbers)?;
        }
        Ok(place.report)
    }

    /// The row with a UUID, which must hang where the bundle says it does.
    fn found(&self, table: &str, uuid: Uuid, under: Under) -> Result<Option<i64>> {
        let column = if let Under::Row(column, _) = under { column } else { "id" };
        let sql = format!("SELECT id, {column} FROM {table} WHERE uuid = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found: Option<(i64, i64)> =
            statement.query_row([Id(uuid)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match (found, under) {
            (Some((_, here)), Under::Row(_, owner)) if here != owner => {
                Err(wrong(format!("{uuid} belongs to something else in this project than in it")))
            }
            (found, _) => Ok(found.map(|(id, _)| id)),
        }
    }

    /// The handle, or one like it that no subject here has.
    fn free_handle(&self, wished: &Handle) -> Result<Handle> {
        for handle in std::iter::once(wished.clone()).chain((2..10_000).filter_map(|n| wished.numbered(n))) {
            if subjects::find(self.connection, &handle)?.is_none() {
                return Ok(handle);
            }
        }
        Err(wrong(format!("no short name like {wished} is free for its subject")))
    }

    /// The wished number if no run or reference of the subject can have had it, or else the next one.
    fn free_number(&self, subject: SubjectId, counter: &'static str, wished: u32) -> Result<u32> {
        let wished = check::number(wished)?;
        let sql = format!("UPDATE subjects SET {counter} = ?2 WHERE id = ?1 AND {counter} < ?2");
        let free = self.connection.prepare_cached(&sql)?.execute((subject.0, wished))? == 1;
        if free { Ok(wished) } else { subjects::next_number(self.connection, subject, counter) }
    }

    fn picture(&self, row: Option<&PictureRow>) -> Result<PictureColumns> {
        let Some(row) = row else { return Ok(PictureColumns::default()) };
        let (width, height) = check::size(row.width, row.height)?;
        Ok(PictureColumns {
            picture: Some(self.blob(row.blob)?),
            thumbnail: row.thumbnail.map(|thumbnail| self.blob(thumbnail)).transpose()?,
            width: Some(width),
            height: Some(height),
        })
    }

    /// Gives a blob its row.
    fn blob(&self, digest: Digest) -> Result<Hash> {
        let media_type = self.media_types.get(&digest);
        let media_type = media_type.ok_or_else(|| wrong(format!("its picture {} is missing", digest.0)))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/+-.".contains(c);
        if media_type.is_empty() || media_type.len() > 64 || !media_type.chars().all(plain) {
            return Err(wrong(format!("a picture in it is of the kind {media_type:?}")));
        }
        self.blobs.borrow_mut().push(digest.0);
        self.store.record_file(self.connection, &digest.0, media_type, self.source, self.at)
    }
}

#[derive(Default)]
struct PictureColumns {
    picture: Option<Hash>,
    thumbnail: Option<Hash>,
    width: Option<u32>,
    height: Option<u32>,
}

/// A time in a column that may be empty.
fn millis(at: Option<i64>) -> Result<Option<i64>, Error> {
    Ok(check::times(at)?.map(|at| at.as_millisecond()))
}
