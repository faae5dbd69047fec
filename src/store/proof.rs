//! Proves a deletion: searches every file of a project for the hashes, names and identifiers that were deleted.
//!
//! The search reads raw bytes: the database with its free pages, its log, blobs and thumbnails, temporary files, copies
//! from before migrations, and whatever else is in the folder.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use uuid::Uuid;

use super::blob_rows::is_recorded;
use super::columns::Id;
use super::disk::Folder;
use super::layout::{self, DATABASE};
use super::needles::Needles;
use super::{Error, Result, Store};

/// A shorter name cannot be told from chance in compressed data, so it is not searched for.
const SHORTEST_NAME: usize = 5;

/// What was deleted and must not be found any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Deleted {
    pub hashes: Vec<blake3::Hash>,
    pub ids: BTreeSet<Uuid>,
    /// Names and task IDs.
    pub names: Vec<String>,
}

/// The result of the search after a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub files: u64,
    pub bytes: u64,
    /// How many hashes, names and identifiers were searched for.
    pub searched_for: u64,
    /// Names that data which stays contains too, so that finding them proves nothing.
    pub in_use: Vec<String>,
    /// Stored images that mention something deleted in their own provenance.
    pub mentions: u64,
    /// Files that still contain something deleted.
    pub remains: Vec<PathBuf>,
}

impl Deleted {
    /// Adds what a query finds: in each row a UUID, and a name or NULL.
    pub fn add(&mut self, connection: &Connection, sql: &str, parameter: i64) -> Result<()> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([parameter])?;
        while let Some(row) = rows.next()? {
            self.ids.insert(row.get::<_, Id>(0)?.0);
            self.names.extend(row.get::<_, Option<String>>(1)?);
        }
        Ok(())
    }

    /// Everything to search for as bytes, and the name that each one belongs to, if any.
    fn patterns(&self) -> Vec<(Vec<u8>, Option<&str>)> {
        let mut patterns = Vec::new();
        for hash in &self.hashes {
            patterns.push((hash.as_bytes().to_vec(), None));
            patterns.push((hash.to_hex().as_bytes().to_vec(), None));
        }
        for id in &self.ids {
            patterns.push((id.as_bytes().to_vec(), None));
            patterns.push((id.to_string().into_bytes(), None));
        }
        let names: BTreeSet<&str> = self.names.iter().map(String::as_str).collect();
        let long = names.into_iter().filter(|name| name.len() >= SHORTEST_NAME);
        patterns.extend(long.map(|name| (name.as_bytes().to_vec(), Some(name))));
        patterns
    }
}

impl Store {
    /// Searches the project's folder for what was deleted.
    pub(super) fn prove(&self, deleted: &Deleted) -> Result<Proof> {
        let patterns = deleted.patterns();
        let needles = Needles::new(patterns.iter().map(|(bytes, _)| bytes.as_slice()));
        let mut search = Search { store: self, needles, proof: Proof::default(), found: Vec::new() };
        search.proof.searched_for = (deleted.hashes.len() + deleted.ids.len()) as u64
            + patterns.iter().filter(|(_, name)| name.is_some()).count() as u64;
        search.folder(&self.folder)?;
        let Search { mut proof, found, .. } = search;
        let mut in_use: HashMap<&str, bool> = HashMap::new();
        for (path, hits) in found {
            let mut remains = false;
            for hit in hits {
                // A name in the database may belong to what stays.
                remains |= match patterns.get(hit).and_then(|(_, name)| *name) {
                    Some(name) if is_of_database(&path) => {
                        let used = match in_use.get(name) {
                            Some(used) => *used,
                            None => self.with_writer(|writer| is_used(writer, name))?,
                        };
                        in_use.insert(name, used);
                        !used
                    }
                    _ => true,
                };
            }
            if remains {
                proof.remains.push(path);
            }
        }
        proof.in_use = in_use.into_iter().filter(|(_, used)| *used).map(|(name, _)| name.to_owned()).collect();
        proof.in_use.sort();
        Ok(proof)
    }
}

struct Search<'a> {
    store: &'a Store,
    needles: Needles,
    proof: Proof,
    /// Files and what was found in them.
    found: Vec<(PathBuf, BTreeSet<usize>)>,
}

impl Search<'_> {
    fn folder(&mut self, folder: &Folder) -> Result<()> {
        for name in folder.names()? {
            if let Some(folder) = folder.folder(&name)? {
                self.folder(&folder)?;
                continue;
            }
            let path = folder.path_of(&name);
            let failed = |error| Error::file(&path, "read", error);
            let mut found = BTreeSet::new();
            self.needles.search(&mut name.as_encoded_bytes(), &mut found).map_err(failed)?;
            let is_database = path == layout::database(self.store.folder());
            // The shared memory holds no content, and closing it would release SQLite's locks.
            let is_skipped = path == layout::shared_memory(&self.store.database());
            if !is_skipped && folder.size(&name).is_some() {
                let read = match is_database {
                    true => with_kept_open(folder, |file| self.needles.search(&mut &*file, &mut found)),
                    false => folder.open_file(&name).and_then(|mut file| self.needles.search(&mut file, &mut found)),
                };
                match read {
                    Ok(bytes) => {
                        self.proof.files += 1;
                        self.proof.bytes += bytes;
                    }
                    // Another program has finished with it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                }
            }
            if found.is_empty() {
                continue;
            }
            if self.is_stored(&path)? {
                self.proof.mentions += 1;
            } else {
                self.found.push((path, found));
            }
        }
        Ok(())
    }

    /// Whether a file is a blob that stays. What it contains is part of what stays.
    fn is_stored(&self, path: &Path) -> Result<bool> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(hash) = blake3::Hash::from_hex(name).ok().filter(|hash| self.store.blobs.path(hash) == path) else {
            return Ok(false);
        };
        self.store.with_writer(|writer| is_recorded(writer, &hash))
    }
}

/// Reads the database file. It is opened once and stays open until the program ends: closing it would release the locks
/// that SQLite has on it in this program.
fn with_kept_open<T>(folder: &Folder, read: impl FnOnce(&File) -> std::io::Result<T>) -> std::io::Result<T> {
    static OPEN: Mutex<Vec<((u64, u64), File)>> = Mutex::new(Vec::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let metadata = std::fs::metadata(folder.path_of(DATABASE))?;
    let key = (metadata.dev(), metadata.ino());
    let index = match open.iter().position(|(found, _)| *found == key) {
        Some(index) => index,
        None => {
            open.push((key, folder.open_file(DATABASE)?));
            open.len() - 1
        }
    };
    let mut file = &open[index].1;
    file.seek(SeekFrom::Start(0))?;
    read(file)
}

fn is_of_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(DATABASE)
}

/// Whether any text that the database still holds contains a name, in any case.
fn is_used(connection: &Connection, name: &str) -> Result<bool> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")?;
    let tables = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    for table in tables.into_iter().chain(["sqlite_schema".to_owned()]) {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = statement.query_map([&table], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        for column in columns {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM \"{table}\" WHERE instr(lower(CAST(\"{column}\" AS TEXT)), lower(?1)) > 0)"
            );
            if connection.query_row(&sql, [name], |row| row.get(0))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
