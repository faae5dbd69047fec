//! Schema migrations: `migrations/NNNN_name.sql`, forward only. Each runs in one transaction, after a verified copy of
//! the database. `PRAGMA user_version` holds the number of the last migration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::disk::{Folder, parent};
use super::snapshot::copy_database;
use super::{Error, Result, layout};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// One change of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration<'a> {
    pub number: i64,
    pub name: &'a str,
    pub sql: &'a str,
}

/// The migrations built into this program, numbered from 1 without gaps.
pub fn embedded() -> Result<Vec<Migration<'static>>> {
    let mut migrations = Vec::new();
    for file in FILES.files() {
        let name = file.path().file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.split('_').next().and_then(|number| number.parse().ok());
        let (Some(number), Some(sql)) = (number, file.contents_utf8()) else {
            return Err(Error::BadValue(format!("{} is not a migration", file.path().display())));
        };
        migrations.push(Migration { number, name, sql });
    }
    migrations.sort_by_key(|migration| migration.number);
    Ok(migrations)
}

/// The number of the newest migration.
pub fn newest() -> Result<i64> {
    Ok(embedded()?.last().map_or(0, |migration| migration.number))
}

/// Applies the migrations that the database does not have yet.
pub(super) fn migrate(connection: &mut Connection, path: &Path, migrations: &[Migration<'_>]) -> Result<()> {
    // A new database has nothing to back up.
    let is_new = version(connection)? == 0;
    for migration in migrations {
        let version = version(connection)?;
        if version >= migration.number {
            continue;
        }
        let backup = (!is_new).then(|| back_up(connection, path, migration, version)).transpose()?;
        apply(connection, migration).map_err(|error| match error {
            Error::Sql(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DiskFull) => Error::Migration {
                path: path.to_owned(),
                name: migration.name.to_owned(),
                reason: short_reason(&error),
                backup,
            },
            error => error,
        })?;
    }
    Ok(())
}

/// The error without the text of the migration, which can be long.
fn short_reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn apply(connection: &mut Connection, migration: &Migration<'_>) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another program may have applied it since.
    if version(&transaction)? >= migration.number {
        return Ok(());
    }
    transaction.execute_batch(migration.sql)?;
    let broken = transaction.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if broken {
        return Err(Error::BadValue(format!("{} breaks a foreign key", migration.name)));
    }
    transaction.pragma_update(None, "user_version", migration.number)?;
    Ok(transaction.commit()?)
}

/// Makes a verified copy of the database before a migration. Returns its path.
fn back_up(connection: &Connection, path: &Path, migration: &Migration<'_>, version: i64) -> Result<PathBuf> {
    let folder = Arc::new(Folder::open(parent(path))?.make_folder(layout::BACKUPS)?);
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    let name = format!("before-{}-{time}.db", migration.name);
    copy_database(connection, &folder, &name)?;
    let copy = folder.path_of(&name);
    let opened = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found = self::version(&opened)?;
    if found != version {
        let reason = format!("its schema version is {found}, not {version}");
        return Err(Error::BadBackup { path: copy, reason });
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration<'static> = Migration {
        number: 1,
        name: "0001_first",
        sql: "CREATE TABLE a (x INTEGER PRIMARY KEY) STRICT; INSERT INTO a VALUES (1);",
    };
    const SECOND: Migration<'static> =
        Migration { number: 2, name: "0002_second", sql: "ALTER TABLE a ADD COLUMN y TEXT;" };

    fn backups(folder: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder.join("backups")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn embedded_migrations_are_numbered_without_gaps() {
        let numbers: Vec<_> = embedded().unwrap().iter().map(|migration| migration.number).collect();
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    }

    #[test]
    fn only_a_database_with_a_schema_is_backed_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate(&mut connection, &path, &[FIRST]).unwrap();
        let other = folder.path().join("other.db");
        migrate(&mut Connection::open(&other).unwrap(), &other, &[FIRST, SECOND]).unwrap();
        assert_eq!(backups(folder.path()).len(), 0);
        migrate(&mut connection, &path, &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
        let [copy] = backups(folder.path()).try_into().unwrap();
        let copy = Connection::open(copy).unwrap();
        assert_eq!(version(&copy).unwrap(), 1);
        assert_eq!(copy.query_row("SELECT x FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        migrate(&mut connection, &path, &[FIRST, SECOND]).unwrap();
        assert_eq!(backups(folder.path()).len(), 1);
    }

    #[test]
    fn a_failed_migration_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project.db");
        let mut connection = Connection::open(&path).unwrap();
        let broken = Migration { sql: "INSERT INTO a VALUES (2); CREATE TABLE b (nonsense;", ..SECOND };
        migrate(&mut connection, &path, &[FIRST]).unwrap();
        let error = migrate(&mut connection, &path, &[FIRST, broken]).unwrap_err().to_string();
        assert!(error.contains("0002_second") && error.contains("backups/before-0002_second-"), "{error}");
        assert!(!error.contains("INSERT INTO"), "{error}");
        let rows: i64 = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!((rows, version(&connection).unwrap()), (1, 1));
    }

    #[test]
    fn a_migration_that_breaks_a_foreign_key_is_rolled_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project.db");
        let mut connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        let sql = "CREATE TABLE c (a INTEGER REFERENCES a) STRICT; INSERT INTO c VALUES (77);";
        let error = migrate(&mut connection, &path, &[FIRST, Migration { sql, ..SECOND }]).unwrap_err();
        assert!(error.to_string().contains("foreign key"), "{error}");
        assert_eq!(version(&connection).unwrap(), 1);
    }
}
