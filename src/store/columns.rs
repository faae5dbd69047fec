//! How values of the domain are stored in columns.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use uuid::Uuid;

use crate::studio::settings::Settings;

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

/// Reads a column that holds the name of a variant.
pub(super) fn named<T>(row: &Row<'_>, column: &str, from_name: impl Fn(&str) -> Option<T>) -> Result<T> {
    let name: String = row.get(column)?;
    from_name(&name).ok_or_else(|| Error::BadValue(format!("{column} is {name:?}")))
}

/// Reads a column that holds JSON or NULL.
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

/// The column `settings`, as written by `settings.record()`.
pub(super) fn settings(row: &Row<'_>) -> Result<Settings> {
    let missing = || Error::BadValue("settings are empty".to_owned());
    json(row, "settings")?.ok_or_else(missing)
}

/// Inserts a row, given the columns and their values. Returns its key.
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
