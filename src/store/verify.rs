//! Whether a project is whole: the database in itself, its rows against the files, the files against their hashes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::columns::Hash;
use super::{Error, Reader, Result, Store};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the database is damaged: {0}")]
    Database(String),
    #[error("a row of {table} points to a row of {parent} that is not there")]
    ForeignKey { table: String, parent: String },
    #[error("the search index {0} does not fit its texts")]
    SearchIndex(&'static str),
    #[error("the blob {hash} is missing, which {} needs; take it from a backup: {}", .used_by.join(", "), path.display())]
    BlobMissing { hash: blake3::Hash, path: PathBuf, used_by: Vec<String> },
    #[error("the blob {hash} has changed, which {} needs; take it from a backup: {}", .used_by.join(", "), path.display())]
    BlobChanged { hash: blake3::Hash, path: PathBuf, used_by: Vec<String> },
    #[error("the blob {hash} is recorded, but nothing needs it")]
    BlobUnused { hash: blake3::Hash },
    #[error("others may read {} (its mode is {mode:o}); take that right away with chmod", path.display())]
    Permissions { path: PathBuf, mode: u32 },
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub problems: Vec<Problem>,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Files without a row: harmless, left behind by a crash or just being written.
    pub orphans: Vec<PathBuf>,
}

impl Store {
    /// Looks through everything. Nothing is changed.
    pub fn verify(&self) -> Result<Report> {
        let mut report = self.reader()?.verify()?;
        // The index compares itself with its texts on a connection that could write.
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
    /// Looks through the database, the blobs, and who may read them.
    pub fn verify(&self) -> Result<Report> {
        let mut report = Report::default();
        // Files before rows: a file whose row comes in between is then no orphan.
        let files = self.blobs.files()?;
        self.read(|connection| {
            database(connection, &mut report.problems)?;
            blobs(self, connection, &mut report)?;
            for (path, hash) in files {
                if hash.is_none_or(|hash| !recorded(connection, &hash).unwrap_or(true)) {
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

/// Who needs a blob, by the names people use.
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

fn recorded(connection: &Connection, hash: &blake3::Hash) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM blobs WHERE hash = ?1")?;
    Ok(statement.query_row([Hash(*hash)], |_| Ok(())).optional()?.is_some())
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt)
}
