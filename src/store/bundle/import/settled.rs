//! What a subject's further runs are held against, and settings that held up.

use rusqlite::types::Value;

use super::super::check::{self, times};
use super::super::report::{Presets, Remark};
use super::super::rows::{BaselineRow, PresetRow};
use super::{Import, Place, Under};
use crate::store::columns::{Id, SETTINGS, Time, insert, settings_values};
use crate::store::{Result, presets};

impl Import<'_> {
    /// A baseline is in force if none is here, and if its output is accepted here.
    pub(super) fn baseline(&self, place: &mut Place, row: &BaselineRow) -> Result<()> {
        // Its output may have been left out.
        let Some(&output) = place.outputs.get(&row.output) else { return Ok(()) };
        let found = self.found("baselines", row.uuid, Under::Row("subject_id", place.subject.0))?;
        place.report.baselines.add(found.is_none());
        if found.is_some() {
            return Ok(());
        }
        let (since, mut until) = (check::time(row.since)?, times(row.until)?);
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM baselines WHERE subject_id = ?1 AND until IS NULL)
                      AND EXISTS (SELECT 1 FROM outputs WHERE id = ?2 AND verdict = 'accepted')";
        let may_be = self.connection.query_row(sql, (place.subject.0, output), |row| row.get::<_, bool>(0))?;
        if until.is_none() && !may_be {
            until = Some(self.at.max(since));
            place.report.remarks.push(Remark::BaselineOver);
        }
        let columns: [(&str, &dyn rusqlite::ToSql); 7] = [
            ("uuid", &Id(row.uuid)),
            ("subject_id", &place.subject.0),
            ("output_id", &output),
            ("set_by", &check::words("a name", &row.set_by)?),
            ("note", &check::words("a note", &row.note)?),
            ("since", &Time(since)),
            ("until", &until.map(Time)),
        ];
        insert(self.connection, "baselines", &columns)?;
        Ok(())
    }

    /// A preset is the team's here too where its settings have held up by what is here; otherwise it is on trial.
    pub(super) fn preset(&self, report: &mut Presets, row: &PresetRow) -> Result<()> {
        let found = self.found("presets", row.uuid, Under::Nothing)?;
        report.count.add(found.is_none());
        if found.is_some() {
            return Ok(());
        }
        let was = check::required("the name of a preset", &row.name)?;
        let name = self.free_preset(&was)?;
        let settings = check::settings(&row.settings)?;
        let run = row.run.map(|run| self.found("runs", run, Under::Nothing)).transpose()?.flatten();
        let mut promoted = times(row.promoted)?;
        if promoted.is_some() && !presets::held_up(self.connection, &settings)?.is_enough() {
            promoted = None;
            report.on_trial.push(name.clone());
        }
        let mut columns: Vec<(&str, Value)> = vec![
            ("uuid", Value::Blob(row.uuid.as_bytes().to_vec())),
            ("name", name.clone().into()),
            ("note", check::words("a note", &row.note)?.into()),
            ("run_id", run.into()),
            ("created", check::time(row.created)?.as_millisecond().into()),
            ("promoted", promoted.map(|at| at.as_millisecond()).into()),
        ];
        columns.extend(SETTINGS.into_iter().zip(settings_values(&settings)?));
        let columns: Vec<_> = columns.iter().map(|(name, value)| (*name, value as &dyn rusqlite::ToSql)).collect();
        insert(self.connection, "presets", &columns)?;
        if name != was {
            report.renamed.push((was, name));
        }
        Ok(())
    }

    /// The name, or one like it that no preset here has.
    fn free_preset(&self, wished: &str) -> Result<String> {
        for name in std::iter::once(wished.to_owned()).chain((2..10_000).map(|n| format!("{wished} {n}"))) {
            if presets::find(self.connection, &name)?.is_none() {
                return Ok(name);
            }
        }
        Err(check::wrong(format!("no name like {wished:?} is free for its preset")))
    }
}
