//! Imports baselines and presets.

use rusqlite::types::Value;

use super::super::check::{self, times};
use super::super::report::{PresetReport, Remark};
use super::super::rows::{BaselineRow, PresetRow};
use super::pass::{Import, ImportedSubject, Owner};
use crate::store::columns::{Id, Time, insert, to_json};
use crate::store::{Result, presets};

impl Import<'_> {
    /// Imports a baseline. It stays current only if the subject has none here and its output is accepted here.
    pub(super) fn baseline(&self, imported: &mut ImportedSubject, row: &BaselineRow) -> Result<()> {
        // The output may have been left out.
        let Some(&output) = imported.outputs.get(&row.output) else { return Ok(()) };
        let found = self.find("baselines", row.uuid, Owner::Row("subject_id", imported.subject.0))?;
        imported.report.baselines.add(found.is_none());
        if found.is_some() {
            return Ok(());
        }
        let (since, mut until) = (check::time(row.since)?, times(row.until)?);
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM baselines WHERE subject_id = ?1 AND until IS NULL)
                      AND EXISTS (SELECT 1 FROM outputs WHERE id = ?2 AND verdict = 'accepted')";
        let may_be_current =
            self.connection.query_row(sql, (imported.subject.0, output), |row| row.get::<_, bool>(0))?;
        if until.is_none() && !may_be_current {
            until = Some(self.at.max(since));
            imported.report.remarks.push(Remark::BaselineNotCurrent);
        }
        let columns: [(&str, &dyn rusqlite::ToSql); 7] = [
            ("uuid", &Id(row.uuid)),
            ("subject_id", &imported.subject.0),
            ("output_id", &output),
            ("set_by", &check::text("a name", &row.set_by)?),
            ("note", &check::text("a note", &row.note)?),
            ("since", &Time(since)),
            ("until", &until.map(Time)),
        ];
        insert(self.connection, "baselines", &columns)?;
        Ok(())
    }

    /// Imports a preset. A promoted one stays promoted only if enough accepted outputs here support its settings.
    pub(super) fn preset(&self, report: &mut PresetReport, row: &PresetRow) -> Result<()> {
        let found = self.find("presets", row.uuid, Owner::Project)?;
        report.count.add(found.is_none());
        if found.is_some() {
            return Ok(());
        }
        let bundle_name = check::required("a preset's name", &row.name)?;
        let name = self.free_preset(&bundle_name)?;
        let settings = check::settings(&row.settings)?;
        let run = row.run.map(|run| self.find("runs", run, Owner::Project)).transpose()?.flatten();
        let mut promoted = times(row.promoted)?;
        if promoted.is_some() && !presets::held_up(self.connection, &settings)?.is_enough() {
            promoted = None;
            report.on_trial.push(name.clone());
        }
        let columns: [(&str, Value); 7] = [
            ("uuid", Value::Blob(row.uuid.as_bytes().to_vec())),
            ("name", name.clone().into()),
            ("note", check::text("a note", &row.note)?.into()),
            ("run_id", run.into()),
            ("created", check::time(row.created)?.as_millisecond().into()),
            ("promoted", promoted.map(|at| at.as_millisecond()).into()),
            ("settings", to_json(&settings)?.into()),
        ];
        let columns: Vec<_> = columns.iter().map(|(name, value)| (*name, value as &dyn rusqlite::ToSql)).collect();
        insert(self.connection, "presets", &columns)?;
        if name != bundle_name {
            report.renamed.push((bundle_name, name));
        }
        Ok(())
    }

    /// The name, or the first free one of the form `name 2`.
    fn free_preset(&self, wanted: &str) -> Result<String> {
        for name in std::iter::once(wanted.to_owned()).chain((2..10_000).map(|n| format!("{wanted} {n}"))) {
            if presets::find(self.connection, &name)?.is_none() {
                return Ok(name);
            }
        }
        Err(check::wrong(format!("no preset name like {wanted:?} is free")))
    }
}
