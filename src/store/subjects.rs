//! Subjects and their consents.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::studio::consent::{Consent, ConsentKind, ConsentStatus, Grant};
use crate::studio::ids::{ConsentId, SubjectId};
use crate::studio::subject::{Handle, Subject};
use crate::studio::text;

use super::columns::{Id, Time, bad, insert};
use super::{Durability, Error, Reader, Result, Store};

impl Store {
    /// Adds a subject. The handle must be new.
    pub fn add_subject(&self, handle: &Handle, name: &str, note: &str, at: Timestamp) -> Result<SubjectId> {
        let (name, note) = (required_name(name)?, text::clean(note));
        self.write(Durability::Full, |transaction| {
            if find(transaction, handle)?.is_some() {
                return Err(Error::Taken { what: "subject", name: handle.to_string() });
            }
            let columns: [(&str, &dyn rusqlite::ToSql); 5] = [
                ("uuid", &Id::new()),
                ("handle", &handle.as_str()),
                ("name", &name),
                ("note", &note),
                ("created", &Time(at)),
            ];
            Ok(SubjectId(insert(transaction, "subjects", &columns)?))
        })
    }

    /// Changes the displayed name. The handle never changes: it is part of task IDs in exported images.
    pub fn rename_subject(&self, subject: SubjectId, name: &str) -> Result<()> {
        let name = required_name(name)?;
        self.write(Durability::Full, |transaction| {
            let changed = transaction.execute("UPDATE subjects SET name = ?2 WHERE id = ?1", (subject.0, name))?;
            if changed == 0 { Err(missing(subject)) } else { Ok(()) }
        })
    }

    /// Replaces the note about a subject.
    pub fn set_subject_note(&self, subject: SubjectId, note: &str) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let note = text::clean(note);
            let changed = transaction.execute("UPDATE subjects SET note = ?2 WHERE id = ?1", (subject.0, note))?;
            if changed == 0 { Err(missing(subject)) } else { Ok(()) }
        })
    }

    /// Records a consent to use images of a subject.
    pub fn add_consent(&self, subject: SubjectId, grant: &Grant) -> Result<ConsentId> {
        self.write(Durability::Full, |transaction| {
            by_id(transaction, subject)?;
            let columns: [(&str, &dyn rusqlite::ToSql); 6] = [
                ("uuid", &Id::new()),
                ("subject_id", &subject.0),
                ("kind", &grant.kind().name()),
                ("statement", &grant.statement()),
                ("granted", &Time(grant.granted())),
                ("expires", &grant.expires().map(Time)),
            ];
            Ok(ConsentId(insert(transaction, "consents", &columns)?))
        })
    }
}

impl Reader {
    pub fn subject(&self, handle: &Handle) -> Result<Subject> {
        self.read(|connection| {
            find(connection, handle)?.ok_or_else(|| Error::NotFound { what: "subject", name: handle.to_string() })
        })
    }

    pub fn subject_by_id(&self, subject: SubjectId) -> Result<Subject> {
        self.read(|connection| by_id(connection, subject))
    }

    /// All subjects, by handle.
    pub fn subjects(&self) -> Result<Vec<Subject>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM subjects ORDER BY handle")?;
            statement.query_and_then([], subject)?.collect()
        })
    }

    /// A subject's consents, oldest first, including withdrawn ones.
    pub fn consents(&self, subject: SubjectId) -> Result<Vec<Consent>> {
        self.read(|connection| consents(connection, subject))
    }

    pub fn consent(&self, consent: ConsentId) -> Result<Consent> {
        self.read(|connection| self::consent(connection, consent))
    }
}

pub(super) fn find(connection: &Connection, handle: &Handle) -> Result<Option<Subject>> {
    let mut statement = connection.prepare_cached("SELECT * FROM subjects WHERE handle = ?1")?;
    statement.query_and_then([handle.as_str()], subject)?.next().transpose()
}

pub(super) fn by_id(connection: &Connection, id: SubjectId) -> Result<Subject> {
    let mut statement = connection.prepare_cached("SELECT * FROM subjects WHERE id = ?1")?;
    statement.query_and_then([id.0], subject)?.next().unwrap_or_else(|| Err(missing(id)))
}

pub(super) fn consents(connection: &Connection, subject: SubjectId) -> Result<Vec<Consent>> {
    let mut statement = connection.prepare_cached("SELECT * FROM consents WHERE subject_id = ?1 ORDER BY id")?;
    statement.query_and_then([subject.0], consent_row)?.collect()
}

pub(super) fn consent(connection: &Connection, id: ConsentId) -> Result<Consent> {
    let mut statement = connection.prepare_cached("SELECT * FROM consents WHERE id = ?1")?;
    let missing = || Err(Error::NotFound { what: "consent", name: id.0.to_string() });
    statement.query_and_then([id.0], consent_row)?.next().unwrap_or_else(missing)
}

/// A subject's newest valid consent.
pub(super) fn valid_consent(connection: &Connection, subject: SubjectId, at: Timestamp) -> Result<Option<Consent>> {
    let consents = consents(connection, subject)?;
    Ok(consents.into_iter().rev().find(|consent| consent.status(at) == ConsentStatus::Valid))
}

/// The next number for a subject's run or reference. Numbers are never used twice.
pub(super) fn next_number(connection: &Connection, subject: SubjectId, counter: &'static str) -> Result<u32> {
    let sql = format!("UPDATE subjects SET {counter} = {counter} + 1 WHERE id = ?1 RETURNING {counter}");
    let number = connection.prepare_cached(&sql)?.query_row([subject.0], |row| row.get(0)).optional()?;
    number.ok_or_else(|| missing(subject))
}

pub(super) fn handle(row: &Row<'_>, column: &str) -> Result<Handle> {
    row.get::<_, String>(column)?.parse().map_err(|error| bad(column, error))
}

pub(super) fn subject(row: &Row<'_>) -> Result<Subject> {
    Ok(Subject {
        id: SubjectId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        handle: handle(row, "handle")?,
        name: row.get("name")?,
        note: row.get("note")?,
        created: row.get::<_, Time>("created")?.0,
    })
}

fn consent_row(row: &Row<'_>) -> Result<Consent> {
    let time = |column| Ok::<_, Error>(row.get::<_, Option<Time>>(column)?.map(|time| time.0));
    let kind: ConsentKind = row.get::<_, String>("kind")?.parse().map_err(|error| bad("kind", error))?;
    let statement: String = row.get("statement")?;
    let granted = row.get::<_, Time>("granted")?.0;
    Ok(Consent {
        id: ConsentId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        subject: SubjectId(row.get("subject_id")?),
        grant: Grant::new(kind, &statement, granted, time("expires")?).map_err(|error| bad("consents", error))?,
        withdrawn: time("withdrawn")?,
    })
}

fn required_name(name: &str) -> Result<String> {
    let name = text::clean(name).trim().to_owned();
    if name.is_empty() { Err(Error::Empty { what: "the subject's name" }) } else { Ok(name) }
}

fn missing(subject: SubjectId) -> Error {
    Error::NotFound { what: "subject", name: format!("number {}", subject.0) }
}
