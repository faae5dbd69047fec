//! Checks a project: the database, its rows against the blob files, and the files against their hashes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::blob_rows::is_recorded;
use super::columns::Hash;
use super::{Error, Reader, Result, Store};

/// A problem in a project, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the database is damaged ({0}): restore it from a backup")]
    Database(String),
    #[error("a row of {table} refers to a missing row of {parent}: restore the database from a backup")]
    ForeignKey { table: String, parent: String },
    #[error("search index {0} does not match its table: restore the database from a backup")]
    SearchIndex(&'static str),
    #[error("blob {hash} is missing (used by {}): restore {} from a backup", .used_by.join(", "), path.display())]
    BlobMissing { hash: blake3::Hash, path: PathBuf, used_by: Vec<String> },
    #[error("blob {hash} is damaged (used by {}): restore {} from a backup", .used_by.join(", "), path.display())]
    BlobChanged { hash: blake3::Hash, path: PathBuf, used_by: Vec<String> },
    #[error("blob {hash} has a row, but nothing uses it: report this bug")]
    BlobUnused { hash: blake3::Hash },
    #[error("other users can access {} (mode {mode:o}): run `chmod go-rwx {}`", path.display(), path.display())]
    Permissions { path: PathBuf, mode: u32 },
}

/// The result of [`Store::verify`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub problems: Vec<Problem>,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Files without a row: leftovers of a crash, or about to get a row. They do no harm.
    pub orphans: Vec<PathBuf>,
}

impl Store {
    /// Checks everything. Changes nothing.
    pub fn verify(&self) -> Result<Report> {
        let mut report = self.reader()?.verify()?;
        // SQLite runs the integrity check of a search index only on a writable connection.
        self.with_writer(|writer| {
            for index in ["runs_text", "reviews_text", "refs_text"] {
                let sql = format!("INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)");
                match writer.execute(&sql, []).map_err(Error::from) {
                    Ok(_) => {}
                    Err(Error::Sql(error)) if is_corrupt(&error) => report.problems.push(Problem::SearchIndex(index)),
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })?;
        Ok(report)
    }
}

impl Reader {
    /// Checks the database, the blobs and the permissions, but not the search indexes.
    pub fn verify(&self) -> Result<Report> {
        let mut report = Report::default();
        // Files are listed before rows are read, so a file that gets its row in between is not an orphan.
        let files = self.blobs.files()?;
        self.read(|connection| {
            database(connection, &mut report.problems)?;
            blobs(self, connection, &mut report)?;
            for (path, hash) in files {
                if hash.is_none_or(|hash| !is_recorded(connection, &hash).unwrap_or(true)) {
                    report.orphans.push(path);
                }
            }
            Ok(())
        })?;
        let project = self.path.parent().unwrap_or(Path::new("."));
        for path in [project, self.path.as_path(), self.blobs.folder()] {
            let metadata = fs::metadata(path).map_err(|error| Error::file(path, "read", error))?;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                report.problems.push(Problem::Permissions { path: path.to_owned(), mode });
            }
        }
        Ok(report)
    }
}

fn database(connection: &Connection, problems: &mut Vec<Problem>) -> Result<()> {
    let mut statement = connection.prepare("PRAGMA quick_check")?;
    for found in statement.query_map([], |row| row.get::<_, String>(0))? {
        let found = found?;
        if found != "ok" {
            problems.push(Problem::Database(found));
        }
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    for found in statement.query_map([], |row| Ok((row.get("table")?, row.get("parent")?)))? {
        let (table, parent) = found?;
        problems.push(Problem::ForeignKey { table, parent });
    }
    Ok(())
}

fn blobs(reader: &Reader, connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare("SELECT hash, size FROM blobs")?;
    for row in statement.query_map([], |row| Ok((row.get::<_, Hash>(0)?.0, row.get::<_, i64>(1)?)))? {
        let (hash, size) = row?;
        report.blobs += 1;
        report.blob_bytes += size.cast_unsigned();
        let used_by = used_by(connection, &hash)?;
        if used_by.is_empty() {
            report.problems.push(Problem::BlobUnused { hash });
        }
        let path = reader.blobs.path(&hash);
        match reader.blobs.read(&hash) {
            Ok(_) => {}
            Err(Error::BlobMissing { .. }) => report.problems.push(Problem::BlobMissing { hash, path, used_by }),
            Err(Error::BlobChanged { .. }) => report.problems.push(Problem::BlobChanged { hash, path, used_by }),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The names of the references and runs that use a blob.
fn used_by(connection: &Connection, hash: &blake3::Hash) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT handle || '-r' || number FROM refs JOIN subjects ON subjects.id = subject_id
             WHERE picture = ?1 OR thumbnail = ?1
         UNION ALL
         SELECT format('%s-%04d', handle, number) FROM outputs JOIN runs ON runs.id = run_id
             JOIN subjects ON subjects.id = subject_id
             WHERE outputs.picture = ?1 OR outputs.thumbnail = ?1 OR outputs.latents = ?1",
    )?;
    Ok(statement.query_map([Hash(*hash)], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt)
}
