//! Imports consents and references, by the consent rules of the [parent module](super).

use super::super::check::{self, times, wrong};
use super::super::report::Remark;
use super::super::rows::{ConsentRow, ReferenceRow};
use super::pass::{Import, ImportedSubject, Owner};
use crate::store::columns::{Id, Time, insert};
use crate::store::{Result, references, subjects};
use crate::studio::consent::ConsentStatus;
use crate::studio::ids::{ConsentId, ReferenceId};
use crate::studio::reference::{Gate, ReferenceState};
use crate::studio::subject::ReferenceName;

impl Import<'_> {
    /// Imports a consent. An existing one counts as withdrawn if the bundle or this project says so.
    pub(super) fn consent(&self, imported: &mut ImportedSubject, row: &ConsentRow) -> Result<()> {
        let (grant, withdrawn) = (check::grant(row)?, times(row.withdrawn)?);
        let found = self.find("consents", row.uuid, Owner::Row("subject_id", imported.subject.0))?;
        imported.report.consents.add(found.is_none());
        let consent = match found {
            Some(id) => {
                let mut consent = subjects::consent(self.connection, ConsentId(id))?;
                if let (None, Some(at)) = (consent.withdrawn, withdrawn) {
                    let statement = consent.grant.statement().to_owned();
                    imported.report.remarks.push(Remark::ConsentWithdrawnElsewhere { statement, at });
                    consent.withdrawn = withdrawn;
                }
                consent
            }
            None => {
                let columns: [(&str, &dyn rusqlite::ToSql); 7] = [
                    ("uuid", &Id(row.uuid)),
                    ("subject_id", &imported.subject.0),
                    ("kind", &grant.kind().name()),
                    ("statement", &grant.statement()),
                    ("granted", &Time(grant.granted())),
                    ("expires", &grant.expires().map(Time)),
                    ("withdrawn", &withdrawn.map(Time)),
                ];
                subjects::consent(self.connection, ConsentId(insert(self.connection, "consents", &columns)?))?
            }
        };
        imported.consents.insert(row.uuid, consent);
        Ok(())
    }

    pub(super) fn reference(&self, imported: &mut ImportedSubject, row: &ReferenceRow) -> Result<()> {
        let bundle_state = check::named("reference state", &row.state, ReferenceState::from_name)?;
        let consent = imported.consents.get(&row.consent);
        let consent = consent.ok_or_else(|| wrong("a reference has no consent"))?;
        if let Some(id) = self.find("refs", row.uuid, Owner::Row("subject_id", imported.subject.0))? {
            let here = references::by_id(self.connection, ReferenceId(id))?;
            let withdrawn = bundle_state == ReferenceState::Withdrawn || consent.withdrawn.is_some();
            if bundle_state == ReferenceState::Withdrawn && here.state != ReferenceState::Withdrawn {
                imported.report.remarks.push(Remark::ReferenceWithdrawnElsewhere { reference: here.name });
            }
            imported.report.references.add(false);
            imported
                .references
                .insert(row.uuid, (here.id, if withdrawn { ReferenceState::Withdrawn } else { here.state }));
            return Ok(());
        }
        let gate = check::named("quality gate verdict", &row.gate, Gate::from_name)?;
        let overruled = check::optional_text("a reason", row.overruled.as_ref())?;
        let number = self.free_number(imported.subject, "last_reference", row.number)?;
        let name = ReferenceName { subject: imported.report.handle.clone(), number };
        let (state, remark) = allowed_state(bundle_state, consent.status(self.at), gate, overruled.is_some(), &name);
        let stays = state != ReferenceState::Withdrawn;
        if stays && row.picture.is_none() {
            return Err(wrong(format!("the image of {name} is missing")));
        }
        let picture = self.picture(row.picture.as_ref().filter(|_| stays))?;
        let kept = |what: &str, text: &str| if stays { check::text(what, text) } else { Ok(String::new()) };
        let columns: [(&str, &dyn rusqlite::ToSql); 17] = [
            ("uuid", &Id(row.uuid)),
            ("subject_id", &imported.subject.0),
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
            ("reviewer", &check::optional_text("a reviewer's name", row.reviewer.as_ref())?),
            ("added", &Time(check::time(row.added)?)),
            ("reviewed", &times(row.reviewed)?.map(Time)),
        ];
        let id = ReferenceId(insert(self.connection, "refs", &columns)?);
        let report = &mut imported.report;
        report.references.add(true);
        report.remarks.extend(remark);
        let before = ReferenceName { subject: report.handle_in_bundle.clone(), number: row.number };
        if before.number != number {
            report.references_renamed.push((before, name));
        }
        imported.references.insert(row.uuid, (id, state));
        Ok(())
    }
}

/// The state of a new reference in this project, and a remark if it differs from the state in the bundle.
fn allowed_state(
    bundle_state: ReferenceState,
    consent: ConsentStatus,
    gate: Gate,
    overruled: bool,
    reference: &ReferenceName,
) -> (ReferenceState, Option<Remark>) {
    let reference = reference.clone();
    match bundle_state {
        ReferenceState::Withdrawn => (ReferenceState::Withdrawn, None),
        _ if matches!(consent, ConsentStatus::Withdrawn(_)) => {
            (ReferenceState::Withdrawn, Some(Remark::ConsentWithdrawn { reference }))
        }
        ReferenceState::Approved if consent != ConsentStatus::Valid => {
            (ReferenceState::Candidate, Some(Remark::NoValidConsent { reference }))
        }
        ReferenceState::Approved if gate == Gate::Reject && !overruled => {
            (ReferenceState::Candidate, Some(Remark::GateNotOverruled { reference }))
        }
        other => (other, None),
    }
}
