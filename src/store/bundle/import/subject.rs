//! Imports a subject with everything that belongs to it.

use std::collections::HashMap;

use super::super::check;
use super::super::report::SubjectReport;
use super::super::rows::SubjectRow;
use super::pass::{Import, ImportedSubject, Owner};
use crate::store::columns::{Id, Time, insert};
use crate::store::{Result, subjects};
use crate::studio::ids::SubjectId;
use crate::studio::subject::Handle;

impl Import<'_> {
    pub(super) fn subject(&self, row: &SubjectRow) -> Result<SubjectReport> {
        let bundle_handle: Handle = check::parsed(&row.handle)?;
        let found = self.find("subjects", row.uuid, Owner::Project)?;
        let id = match found {
            Some(id) => id,
            None => {
                let handle = self.free_handle(&bundle_handle)?;
                let columns: [(&str, &dyn rusqlite::ToSql); 5] = [
                    ("uuid", &Id(row.uuid)),
                    ("handle", &handle.as_str()),
                    ("name", &check::required("a subject's name", &row.name)?),
                    ("note", &check::text("a note", &row.note)?),
                    ("created", &Time(check::time(row.created)?)),
                ];
                insert(self.connection, "subjects", &columns)?
            }
        };
        let subject = SubjectId(id);
        let handle = subjects::by_id(self.connection, subject)?.handle;
        let mut imported = ImportedSubject {
            subject,
            consents: HashMap::new(),
            references: HashMap::new(),
            runs: HashMap::new(),
            outputs: HashMap::new(),
            report: SubjectReport::new(bundle_handle, handle),
        };
        imported.report.subjects.add(found.is_none());
        row.consents.iter().try_for_each(|consent| self.consent(&mut imported, consent))?;
        row.references.iter().try_for_each(|reference| self.reference(&mut imported, reference))?;
        row.runs.iter().try_for_each(|run| self.run(&mut imported, run))?;
        row.baselines.iter().try_for_each(|baseline| self.baseline(&mut imported, baseline))?;
        if found.is_none() {
            // Numbers of runs and references that were deleted in the source project are not used again here either.
            let numbers = (id, check::last_number(row.last_run)?, check::last_number(row.last_reference)?);
            let sql = "UPDATE subjects SET last_run = max(last_run, ?2), last_reference = max(last_reference, ?3)
                       WHERE id = ?1";
            self.connection.execute(sql, numbers)?;
        }
        Ok(imported.report)
    }
}
