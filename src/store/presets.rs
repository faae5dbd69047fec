//! Presets: named settings. A preset is on trial until enough outputs with its settings are accepted.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::studio::ids::{PresetId, RunId};
use crate::studio::rules::Refusal;
use crate::studio::settings::Settings;
use crate::studio::text;

use super::columns::{Id, Time, insert, settings, to_json};
use super::{Durability, Error, Reader, Result, Store, runs};

/// A preset can be promoted once this many outputs with its settings are accepted, in this many runs.
const ACCEPTED: u32 = 3;
const RUNS: u32 = 2;

#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    pub id: PresetId,
    pub uuid: Uuid,
    pub name: String,
    pub note: String,
    pub run: Option<RunId>,
    pub settings: Settings,
    pub created: Timestamp,
    /// When it was promoted to a team preset; `None`: on trial.
    pub promoted: Option<Timestamp>,
}

impl Store {
    /// Saves a run's settings under a name, on trial.
    pub fn add_preset(&self, name: &str, run: RunId, note: &str, at: Timestamp) -> Result<PresetId> {
        let name = text::clean(name).trim().to_owned();
        if name.is_empty() {
            return Err(Error::Empty { what: "the name of a preset" });
        }
        self.write(Durability::Full, |transaction| {
            if find(transaction, &name)?.is_some() {
                return Err(Error::Taken { what: "preset", name: name.clone() });
            }
            let settings = runs::by_id(transaction, run)?.recipe.settings;
            let columns: [(&str, Value); 6] = [
                ("uuid", Value::Blob(Id::new().0.as_bytes().to_vec())),
                ("name", name.clone().into()),
                ("note", text::clean(note).into()),
                ("run_id", run.0.into()),
                ("created", at.as_millisecond().into()),
                ("settings", to_json(&settings)?.into()),
            ];
            let columns: Vec<_> = columns.iter().map(|(name, value)| (*name, value as &dyn rusqlite::ToSql)).collect();
            Ok(PresetId(insert(transaction, "presets", &columns)?))
        })
    }

    /// Promotes a preset to a team preset; refused while too few outputs with its settings are accepted.
    pub fn promote_preset(&self, name: &str, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let preset = find(transaction, name)?.ok_or_else(|| missing(name))?;
            let trial = held_up(transaction, &preset.settings)?;
            if !trial.is_enough() {
                let Trial { runs, outputs } = trial;
                let refusal = Refusal::UnprovenPreset { runs, needed_runs: RUNS, outputs, needed_outputs: ACCEPTED };
                return Err(refusal.into());
            }
            transaction.execute("UPDATE presets SET promoted = ?2 WHERE id = ?1", (preset.id.0, Time(at)))?;
            Ok(())
        })
    }

    pub fn remove_preset(&self, name: &str) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            match transaction.execute("DELETE FROM presets WHERE name = ?1", [name])? {
                0 => Err(missing(name)),
                _ => Ok(()),
            }
        })
    }
}

impl Reader {
    /// All presets, sorted by name.
    pub fn presets(&self) -> Result<Vec<Preset>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM presets ORDER BY name")?;
            statement.query_and_then([], preset)?.collect()
        })
    }

    pub fn preset(&self, name: &str) -> Result<Preset> {
        self.read(|connection| find(connection, name)?.ok_or_else(|| missing(name)))
    }
}

/// How many accepted outputs settings have, and in how many runs.
pub(super) struct Trial {
    runs: u32,
    outputs: u32,
}

impl Trial {
    pub fn is_enough(&self) -> bool {
        self.runs >= RUNS && self.outputs >= ACCEPTED
    }
}

/// Counts the accepted outputs of runs with exactly these settings.
pub(super) fn held_up(connection: &Connection, wanted: &Settings) -> Result<Trial> {
    let mut statement = connection.prepare_cached(
        "SELECT runs.settings, count(*) AS outputs FROM runs JOIN outputs ON outputs.run_id = runs.id
         WHERE outputs.verdict = 'accepted' AND runs.steps = ?1 GROUP BY runs.id",
    )?;
    let mut trial = Trial { runs: 0, outputs: 0 };
    let mut rows = statement.query([wanted.steps as i64])?;
    while let Some(row) = rows.next()? {
        if settings(row)? == *wanted {
            trial.runs += 1;
            trial.outputs += row.get::<_, u32>("outputs")?;
        }
    }
    Ok(trial)
}

pub(super) fn find(connection: &Connection, name: &str) -> Result<Option<Preset>> {
    let mut statement = connection.prepare_cached("SELECT * FROM presets WHERE name = ?1")?;
    statement.query_and_then([name], preset)?.next().transpose()
}

fn missing(name: &str) -> Error {
    Error::NotFound { what: "preset", name: text::clean(name) }
}

fn preset(row: &Row<'_>) -> Result<Preset> {
    Ok(Preset {
        id: PresetId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        name: row.get("name")?,
        note: row.get("note")?,
        run: row.get::<_, Option<i64>>("run_id")?.map(RunId),
        settings: settings(row)?,
        created: row.get::<_, Time>("created")?.0,
        promoted: row.get::<_, Option<Time>>("promoted")?.map(|time| time.0),
    })
}
