//! How the domain's values lie in columns.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use uuid::Uuid;

use crate::studio::settings::{AdapterScale, LongPrompt, Settings};

use super::{Error, Result};

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub Timestamp);

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Integer(self.0.as_millisecond())))
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let milliseconds = value.as_i64()?;
        Timestamp::from_millisecond(milliseconds).map(Self).map_err(|_| FromSqlError::OutOfRange(milliseconds))
    }
}

/// BLAKE3, 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(pub blake3::Hash);

impl ToSql for Hash {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Hash {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 32]>::column_result(value).map(|bytes| Self(blake3::Hash::from_bytes(bytes)))
    }
}

/// 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id(pub Uuid);

impl Id {
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(|bytes| Self(Uuid::from_bytes(bytes)))
    }
}

/// A column whose text is a name that the domain knows.
pub(super) fn named<T>(row: &Row<'_>, column: &str, from_name: impl Fn(&str) -> Option<T>) -> Result<T> {
    let name: String = row.get(column)?;
    from_name(&name).ok_or_else(|| Error::BadValue(format!("{column} is {name:?}")))
}

/// A column whose text is JSON, or nothing.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let read = |text: String| serde_json::from_str(&text).map_err(|error| bad(column, error));
    text.map(read).transpose()
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::BadValue(error.to_string()))
}

pub(super) fn bad(column: &str, error: impl std::fmt::Display) -> Error {
    Error::BadValue(format!("{column}: {error}"))
}

/// The columns of [`Settings`], in the order of [`settings_values`].
pub(super) const SETTINGS: [&str; 10] = [
    "steps",
    "guidance",
    "adapter_scale",
    "adapter_start",
    "adapter_end",
    "sampler",
    "karras_sigmas",
    "width",
    "height",
    "long_prompt",
];

pub(super) fn settings_values(settings: &Settings) -> Result<[Value; 10]> {
    let number = |number: Option<usize>| number.map(|number| number as i64);
    let scale = match &settings.adapter_scale {
        AdapterScale::Uniform(weight) => to_json(weight)?,
        AdapterScale::PerBlock(weights) => to_json(weights)?,
    };
    Ok([
        Value::Integer(settings.steps as i64),
        Value::Real(settings.guidance_scale),
        Value::Text(scale),
        Value::Real(settings.adapter_start),
        Value::Real(settings.adapter_end),
        settings.sampler.map(|sampler| sampler.name().to_owned()).into(),
        settings.karras_sigmas.map(i64::from).into(),
        number(settings.width).into(),
        number(settings.height).into(),
        Value::Text(if settings.long_prompt == LongPrompt::Chunk { "chunk" } else { "truncate" }.to_owned()),
    ])
}

pub(super) fn settings(row: &Row<'_>) -> Result<Settings> {
    let sampler: Option<String> = row.get("sampler")?;
    let adapter_scale: serde_json::Value =
        json(row, "adapter_scale")?.ok_or_else(|| Error::BadValue("adapter_scale is empty".to_owned()))?;
    Ok(Settings {
        steps: row.get::<_, u32>("steps")? as usize,
        guidance_scale: row.get("guidance")?,
        adapter_scale: match adapter_scale.as_f64() {
            Some(weight) => AdapterScale::Uniform(weight),
            None => AdapterScale::PerBlock(
                serde_json::from_value::<BTreeMap<String, f64>>(adapter_scale)
                    .map_err(|error| bad("adapter_scale", error))?,
            ),
        },
        adapter_start: row.get("adapter_start")?,
        adapter_end: row.get("adapter_end")?,
        sampler: sampler.map(|name| name.parse()).transpose().map_err(|error| bad("sampler", error))?,
        karras_sigmas: row.get("karras_sigmas")?,
        width: row.get::<_, Option<u32>>("width")?.map(|pixels| pixels as usize),
        height: row.get::<_, Option<u32>>("height")?.map(|pixels| pixels as usize),
        long_prompt: if row.get::<_, String>("long_prompt")? == "chunk" {
            LongPrompt::Chunk
        } else {
            LongPrompt::Truncate
        },
    })
}

/// Inserts a row: named columns and their values, in one order.
pub(super) fn insert(
    connection: &rusqlite::Connection,
    table: &str,
    columns: &[(&str, &dyn ToSql)],
) -> rusqlite::Result<i64> {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let marks: Vec<_> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), marks.join(", "));
    let values: Vec<&dyn ToSql> = columns.iter().map(|(_, value)| *value).collect();
    connection.prepare_cached(&sql)?.insert(values.as_slice())
}
