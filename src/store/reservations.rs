//! Reservations: blobs that a running program is about to give rows.
//!
//! A blob's file exists before its row. A program that writes blobs first creates a file that lists their hashes, and
//! keeps it locked until the rows are committed. Whoever collects orphans leaves these blobs alone. If the program dies,
//! its lock ends, and its list says which files it may have left.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::blobs::Blobs;
use super::disk::{Folder, lock};
use super::temporary::{Temporary, lock_dead};
use super::{Error, Result, layout};

/// Prefix of a reservation of the blobs of one output or reference.
const SHORT: &str = ".reserved-";
/// Prefix of a reservation of many blobs, which may be held for minutes.
const LONG: &str = ".importing-";
/// The limit of a list in bytes: a hundred times the largest bundle.
const MAX_LIST: u64 = 1 << 30;

/// How often a reservation is checked that is waited for.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// Whether a file in the folder of blobs is a reservation.
pub(super) fn is_reservation(name: &str) -> bool {
    name.starts_with(SHORT) || name.starts_with(LONG)
}

/// How long a reservation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Short,
    Long,
}

impl Blobs {
    /// Reserves blobs until the result is dropped.
    pub(super) fn reserve(&self, hashes: &[blake3::Hash], term: Term) -> Result<Temporary> {
        let folder = self.open_folder()?.ok_or_else(|| self.no_folder())?;
        let mut file = Temporary::new(&folder, if term == Term::Short { SHORT } else { LONG }, "")?;
        let list: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
        file.write_all(list.as_bytes()).map_err(|error| Error::file(&file.path(), "write", error))?;
        Ok(file)
    }

    /// The blobs that running programs have reserved.
    pub(super) fn reserved(&self) -> Result<HashSet<blake3::Hash>> {
        let mut reserved = HashSet::new();
        let Some(folder) = self.open_folder()? else { return Ok(reserved) };
        for name in folder.names()? {
            let Some(name) = name.to_str().filter(|name| is_reservation(name)) else { continue };
            if lock_dead(&folder, name.as_ref())?.is_none() {
                reserved.extend(list(&folder, name));
            }
        }
        Ok(reserved)
    }

    /// The reservations of programs that died: their paths and blobs.
    pub(super) fn dead_reservations(&self) -> Result<Vec<(PathBuf, Vec<blake3::Hash>)>> {
        let mut dead = Vec::new();
        let Some(folder) = self.open_folder()? else { return Ok(dead) };
        for name in folder.names()? {
            let Some(name) = name.to_str().filter(|name| is_reservation(name)) else { continue };
            if lock_dead(&folder, name.as_ref())?.is_some() {
                dead.push((PathBuf::from(layout::BLOBS).join(name), list(&folder, name)));
            }
        }
        Ok(dead)
    }

    /// Waits until the outputs and references that are being written now have their rows, or have failed. Imports are
    /// not waited for. Returns false if that takes longer than `limit`.
    pub(super) fn wait_for_reservations(&self, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        let Some(folder) = self.open_folder()? else { return Ok(true) };
        for name in folder.names()? {
            let Some(name) = name.to_str().filter(|name| name.starts_with(SHORT)) else { continue };
            let Ok(file) = folder.open_file(name) else { continue };
            while !lock(&file).map_err(|error| Error::file(&folder.path_of(name), "lock", error))? {
                if Instant::now() > end {
                    return Ok(false);
                }
                thread::sleep(CHECK_INTERVAL);
            }
        }
        Ok(true)
    }

    fn no_folder(&self) -> Error {
        Error::file(self.folder(), "open", std::io::ErrorKind::NotFound.into())
    }
}

/// The hashes in a reservation. After a power cut it may be damaged: then all files are checked anyway.
fn list(folder: &Arc<Folder>, name: &str) -> Vec<blake3::Hash> {
    let mut text = String::new();
    let read = folder.open_file(name).and_then(|file| file.take(MAX_LIST).read_to_string(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    text.lines().filter_map(|line| blake3::Hash::from_hex(line).ok()).collect()
}
