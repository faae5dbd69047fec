//! Rights and references, under the rule that the module's head states.

use super::super::check::{self, times, wrong};
use super::super::report::Remark;
use super::super::rows::{ConsentRow, ReferenceRow};
use super::{Import, Place, Under};
use crate::store::columns::{Id, Time, insert};
use crate::store::{Result, references, subjects};
use crate::studio::consent::Standing;
use crate::studio::ids::{ConsentId, ReferenceId};
use crate::studio::reference::{Gate, State};
use crate::studio::subject::ReferenceName;

impl Import<'_> {
    /// A right comes as it is; one that is here already counts as withdrawn as soon as either side says so.
    pub(super) fn consent(&self, place: &mut Place, row: &ConsentRow) -> Result<()> {
        let (grant, withdrawn) = (check::grant(row)?, times(row.withdrawn)?);
        let found = self.found("consents", row.uuid, Under::Row("subject_id", place.subject.0))?;
        place.report.consents.add(found.is_none());
        let consent = match found {
            Some(id) => {
                let mut consent = subjects::consent(self.connection, ConsentId(id))?;
                if let (None, Some(at)) = (consent.withdrawn, withdrawn) {
                    let statement = consent.grant.statement().to_owned();
                    place.report.remarks.push(Remark::WithdrawnElsewhere { statement, at });
                    consent.withdrawn = withdrawn;
                }
                consent
            }
            None => {
                let columns: [(&str, &dyn rusqlite::ToSql); 7] = [
                    ("uuid", &Id(row.uuid)),
                    ("subject_id", &place.subject.0),
                    ("kind", &grant.kind().name()),
                    ("statement", &grant.statement()),
                    ("granted", &Time(grant.granted())),
                    ("expires", &grant.expires().map(Time)),
                    ("withdrawn", &withdrawn.map(Time)),
                ];
                subjects::consent(self.connection, ConsentId(insert(self.connection, "consents", &columns)?))?
            }
        };
        place.consents.insert(row.uuid, consent);
        Ok(())
    }

    pub(super) fn reference(&self, place: &mut Place, row: &ReferenceRow) -> Result<()> {
        let claimed = check::named("state of a reference", &row.state, State::from_name)?;
        let consent = place.consents.get(&row.consent);
        let consent = consent.ok_or_else(|| wrong("a reference in it has no record of the right to it"))?;
        if let Some(id) = self.found("refs", row.uuid, Under::Row("subject_id", place.subject.0))? {
            let here = references::by_id(self.connection, ReferenceId(id))?;
            let withdrawn = claimed == State::Withdrawn || consent.withdrawn.is_some();
            if claimed == State::Withdrawn && here.state != State::Withdrawn {
                place.report.remarks.push(Remark::ReferenceWithdrawnElsewhere { reference: here.name });
            }
            place.report.references.add(false);
            place.references.insert(row.uuid, (here.id, if withdrawn { State::Withdrawn } else { here.state }));
            return Ok(());
        }
        let gate = check::named("verdict of the quality gate", &row.gate, Gate::from_name)?;
        let overruled = check::said("a reason", row.overruled.as_ref())?;
        let number = self.free_number(place.subject, "last_reference", row.number)?;
        let name = ReferenceName { subject: place.report.handle.clone(), number };
        let (state, remark) = may_be(claimed, consent.standing(self.at), gate, overruled.is_some(), &name);
        let stays = state != State::Withdrawn;
        if stays && row.picture.is_none() {
            return Err(wrong(format!("the picture of {name} is missing")));
        }
        let picture = self.picture(row.picture.as_ref().filter(|_| stays))?;
        let kept = |what: &str, text: &str| if stays { check::words(what, text) } else { Ok(String::new()) };
        let columns: [(&str, &dyn rusqlite::ToSql); 17] = [
            ("uuid", &Id(row.uuid)),
            ("subject_id", &place.subject.0),
            ("number", &number),
            ("consent_id", &consent.id.0),
            ("label", &kept("a label", &row.label)?),
            ("state", &state.name()),
            ("picture", &picture.picture),
            ("thumbnail", &picture.thumbnail),
            ("width", &picture.width),
            ("height", &picture.height),
            ("gate", &gate.name()),
            ("report", &check::report(row.report.as_ref().filter(|_| stays))?),
            ("overruled", &overruled.filter(|_| stays)),
            ("note", &kept("a note", &row.note)?),
            ("reviewer", &check::said("the name of a reviewer", row.reviewer.as_ref())?),
            ("added", &Time(check::time(row.added)?)),
            ("reviewed", &times(row.reviewed)?.map(Time)),
        ];
        let id = ReferenceId(insert(self.connection, "refs", &columns)?);
        let report = &mut place.report;
        report.references.add(true);
        report.remarks.extend(remark);
        let before = ReferenceName { subject: report.was.clone(), number: row.number };
        if before.number != number {
            report.references_renamed.push((before, name));
        }
        place.references.insert(row.uuid, (id, state));
        Ok(())
    }
}

/// What a new reference may be here of what the bundle claims it is, and what there is to say of that.
fn may_be(
    claimed: State,
    right: Standing,
    gate: Gate,
    overruled: bool,
    reference: &ReferenceName,
) -> (State, Option<Remark>) {
    let reference = reference.clone();
    match claimed {
        State::Withdrawn => (State::Withdrawn, None),
        _ if matches!(right, Standing::Withdrawn(_)) => (State::Withdrawn, Some(Remark::RightWithdrawn { reference })),
        State::Approved if right != Standing::InForce => {
            (State::Candidate, Some(Remark::RightNotInForce { reference }))
        }
        State::Approved if gate == Gate::Reject && !overruled => {
            (State::Candidate, Some(Remark::GateNotOverruled { reference }))
        }
        other => (other, None),
    }
}
