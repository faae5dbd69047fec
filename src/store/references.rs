//! References: images that runs may use once a person has approved them.

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::studio::consent::ConsentStatus;
use crate::studio::ids::{ConsentId, ReferenceId, SubjectId};
use crate::studio::reference::{Decision, Gate, GateReport, Picture, Reference, ReferenceState};
use crate::studio::rules::Refusal;
use crate::studio::subject::ReferenceName;
use crate::studio::text;

use super::blobs::Content;
use super::columns::{Hash, Id, Time, insert, json, named, to_json};
use super::subjects;
use super::{Durability, Error, Reader, Result, Store};

/// A reference image to add to a subject.
#[derive(Clone, Debug)]
pub struct NewReference {
    /// The consent that covers it; `None`: the subject's newest valid consent.
    pub consent: Option<ConsentId>,
    /// The image as stored: upright, sRGB, without EXIF.
    pub picture: Content,
    pub thumbnail: Option<Content>,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub label: String,
    pub gate: Gate,
    pub report: Option<GateReport>,
}

/// Who decides about a reference, and why.
#[derive(Clone, Debug, Default)]
pub struct Opinion {
    pub reviewer: String,
    pub note: String,
    /// Why an image that the quality gate rejects is approved anyway.
    pub overrule: Option<String>,
}

impl Store {
    /// Adds an image as a candidate. Refused without a valid consent.
    pub fn add_reference(&self, subject: SubjectId, new: &NewReference, at: Timestamp) -> Result<ReferenceId> {
        let contents: Vec<&Content> = [Some(&new.picture), new.thumbnail.as_ref()].into_iter().flatten().collect();
        let report = new.report.as_ref().map(to_json).transpose()?;
        let check = |connection: &Connection| subjects::by_id(connection, subject).map(drop);
        self.write_with_blobs(&contents, check, |transaction| {
            let number = subjects::next_number(transaction, subject, "last_reference")?;
            let name = ReferenceName { subject: subjects::by_id(transaction, subject)?.handle, number };
            let consent = match new.consent {
                Some(consent) => subjects::consent(transaction, consent)?,
                None => subjects::valid_consent(transaction, subject, at)?
                    .ok_or_else(|| Refusal::NoRightRecorded { subject: name.subject.clone() })?,
            };
            if consent.subject != subject {
                return Err(Refusal::NoRightRecorded { subject: name.subject }.into());
            }
            check_consent(&name, consent.status(at))?;
            let thumbnail = new.thumbnail.as_ref();
            let columns: [(&str, &dyn rusqlite::ToSql); 13] = [
                ("uuid", &Id::new()),
                ("subject_id", &subject.0),
                ("number", &number),
                ("consent_id", &consent.id.0),
                ("label", &text::clean(&new.label)),
                ("state", &ReferenceState::Candidate.name()),
                ("picture", &self.record_blob(transaction, &new.picture, at)?),
                ("thumbnail", &thumbnail.map(|content| self.record_blob(transaction, content, at)).transpose()?),
                ("width", &new.width),
                ("height", &new.height),
                ("gate", &new.gate.name()),
                ("report", &report),
                ("added", &Time(at)),
            ];
            Ok(ReferenceId(insert(transaction, "refs", &columns)?))
        })
    }

    /// Approves, rejects or retires a reference, and returns its new state. [`Decision::Withdraw`] deletes data: see
    /// [`Store::withdraw_reference`].
    pub fn decide(
        &self,
        reference: ReferenceId,
        decision: Decision,
        opinion: &Opinion,
        at: Timestamp,
    ) -> Result<ReferenceState> {
        if decision == Decision::Withdraw {
            self.withdraw_reference(reference, at)?;
            return Ok(ReferenceState::Withdrawn);
        }
        let overrule = opinion.overrule.as_deref().map(text::clean).filter(|reason| !reason.trim().is_empty());
        self.write(Durability::Full, |transaction| {
            let old = by_id(transaction, reference)?;
            let name = old.name;
            let state = old.state.after(decision).ok_or_else(|| Refusal::ReferenceState {
                reference: name.clone(),
                state: old.state,
                decision,
            })?;
            if state == ReferenceState::Approved {
                check_consent(&name, subjects::consent(transaction, old.consent)?.status(at))?;
                if old.gate == Gate::Reject && overrule.is_none() && old.overruled.is_none() {
                    return Err(Refusal::QualityGate { reference: name }.into());
                }
            }
            transaction.execute(
                "UPDATE refs SET state = ?2, note = ?3, reviewer = ?4, reviewed = ?5,
                                 overruled = coalesce(?6, overruled) WHERE id = ?1",
                (
                    reference.0,
                    state.name(),
                    text::clean(&opinion.note),
                    text::clean(&opinion.reviewer),
                    Time(at),
                    &overrule,
                ),
            )?;
            Ok(state)
        })
    }

    /// Replaces the quality report of a reference. An approved reference that now fails becomes a candidate again.
    pub fn set_report(&self, reference: ReferenceId, gate: Gate, report: &GateReport) -> Result<()> {
        let report = to_json(report)?;
        self.write(Durability::Full, |transaction| {
            let old = by_id(transaction, reference)?;
            let now_fails = old.state == ReferenceState::Approved && gate == Gate::Reject && old.overruled.is_none();
            let state = if now_fails { ReferenceState::Candidate } else { old.state };
            transaction.execute(
                "UPDATE refs SET gate = ?2, report = ?3, state = ?4 WHERE id = ?1 AND state <> 'withdrawn'",
                (reference.0, gate.name(), report, state.name()),
            )?;
            Ok(())
        })
    }
}

impl Reader {
    /// A subject's references by number, including withdrawn ones.
    pub fn references(&self, subject: SubjectId) -> Result<Vec<Reference>> {
        self.read(|connection| {
            let sql = format!("{SELECT} WHERE refs.subject_id = ?1 ORDER BY refs.number");
            connection.prepare_cached(&sql)?.query_and_then([subject.0], reference)?.collect()
        })
    }

    pub fn reference(&self, name: &ReferenceName) -> Result<Reference> {
        self.read(|connection| {
            let sql = format!("{SELECT} WHERE subjects.handle = ?1 AND refs.number = ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_and_then((name.subject.as_str(), name.number), reference)?.next();
            found.unwrap_or_else(|| Err(Error::NotFound { what: "reference", name: name.to_string() }))
        })
    }

    pub fn reference_by_id(&self, reference: ReferenceId) -> Result<Reference> {
        self.read(|connection| by_id(connection, reference))
    }
}

const SELECT: &str = "SELECT refs.*, subjects.handle FROM refs JOIN subjects ON subjects.id = refs.subject_id";

pub(super) fn by_id(connection: &Connection, id: ReferenceId) -> Result<Reference> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE refs.id = ?1"))?;
    let missing = || Err(Error::NotFound { what: "reference", name: format!("number {}", id.0) });
    statement.query_and_then([id.0], reference)?.next().unwrap_or_else(missing)
}

/// Checks that a run of a subject may use a reference now: it is the subject's own, approved, and its consent is valid.
pub(super) fn usable(
    connection: &Connection,
    reference: ReferenceId,
    subject: SubjectId,
    at: Timestamp,
) -> Result<Reference> {
    let found = by_id(connection, reference)?;
    let name = found.name.clone();
    if found.subject != subject {
        let subject = subjects::by_id(connection, subject)?.handle;
        return Err(Refusal::OtherSubjectsReference { reference: name, subject }.into());
    }
    // The consent is checked first: a withdrawn consent explains a withdrawn reference.
    check_consent(&name, subjects::consent(connection, found.consent)?.status(at))?;
    if found.state != ReferenceState::Approved {
        return Err(Refusal::UnapprovedReference { reference: name, state: found.state }.into());
    }
    Ok(found)
}

fn check_consent(reference: &ReferenceName, standing: ConsentStatus) -> Result<()> {
    let reference = reference.clone();
    match standing {
        ConsentStatus::Valid => Ok(()),
        ConsentStatus::NotYetValid(begins) => {
            Err(Refusal::NoRightInForce { reference, ended: None, begins: Some(begins) }.into())
        }
        ConsentStatus::Expired(ended) => {
            Err(Refusal::NoRightInForce { reference, ended: Some(ended), begins: None }.into())
        }
        ConsentStatus::Withdrawn(at) => Err(Refusal::WithdrawnConsent { reference, at }.into()),
    }
}

/// Reads an image from the columns `picture`, `thumbnail`, `width` and `height`, whose names may have a prefix.
pub(super) fn picture(row: &Row<'_>, prefix: &str) -> Result<Option<Picture>> {
    let column = |name: &str| format!("{prefix}{name}");
    let Some(Hash(blob)) = row.get::<_, Option<Hash>>(column("picture").as_str())? else { return Ok(None) };
    let thumbnail = row.get::<_, Option<Hash>>(column("thumbnail").as_str())?.map(|hash| hash.0);
    let (width, height) = (row.get(column("width").as_str())?, row.get(column("height").as_str())?);
    Ok(Some(Picture { blob, thumbnail, width, height }))
}

fn reference(row: &Row<'_>) -> Result<Reference> {
    let picture = picture(row, "")?;
    Ok(Reference {
        id: ReferenceId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        name: ReferenceName { subject: subjects::handle(row, "handle")?, number: row.get("number")? },
        subject: SubjectId(row.get("subject_id")?),
        consent: ConsentId(row.get("consent_id")?),
        label: row.get("label")?,
        state: named(row, "state", ReferenceState::from_name)?,
        picture,
        gate: named(row, "gate", Gate::from_name)?,
        report: json(row, "report")?,
        overruled: row.get("overruled")?,
        note: row.get("note")?,
        reviewer: row.get("reviewer")?,
        added: row.get::<_, Time>("added")?.0,
        reviewed: row.get::<_, Option<Time>>("reviewed")?.map(|time| time.0),
    })
}
