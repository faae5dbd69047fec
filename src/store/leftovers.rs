//! Deletes what interrupted programs left: temporary files, and blobs that never got a row.
//!
//! Only the leftovers of programs that have died are deleted. Temporary files are locked by their builders, and blobs
//! are reserved until they have their rows.

use std::path::{Path, PathBuf};

use super::blob_rows::is_recorded;
use super::blobs::{UNFINISHED, folder_name};
use super::temporary::remove_dead;
use super::{Durability, Result, Store, layout};

/// Prefixes of temporary files in a project's own folder: of a new database, a backup, and a worker's ballast.
const IN_PROJECT: [&str; 3] = [".project-", ".pentimento-", ".ballast-"];

/// Where to look for leftovers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Where a dead program said that it would write. Fast in every project.
    Announced,
    /// In all folders.
    Everywhere,
}

impl Store {
    /// Deletes all leftovers, and returns their paths.
    pub fn collect_leftovers(&self) -> Result<Vec<PathBuf>> {
        self.collect(Extent::Everywhere)
    }

    pub(super) fn collect(&self, extent: Extent) -> Result<Vec<PathBuf>> {
        let project = &self.folder;
        let mut removed = remove_dead(project, |name| IN_PROJECT.iter().any(|prefix| name.starts_with(prefix)))?;
        if let Some(backups) = project.folder(layout::BACKUPS)? {
            removed.extend(remove_dead(&backups, |name| name.starts_with(UNFINISHED))?);
        }
        let dead = self.blobs.dead_reservations()?;
        // A program writes a file only after it has reserved it, so whoever has a file here without a row is dead or has
        // a reservation by now.
        let (mut candidates, folders) = match extent {
            Extent::Everywhere => {
                let files = self.blobs.files()?.into_iter().filter_map(|(_, hash)| hash).collect();
                let root = Path::new(layout::BLOBS);
                let folders = self.blobs.open_folder()?.map_or(Ok(Vec::new()), |folder| folder.names())?;
                (files, folders.iter().map(|name| root.join(name)).collect::<Vec<_>>())
            }
            Extent::Announced => {
                let hashes: Vec<_> = dead.iter().flat_map(|(_, hashes)| hashes.iter().copied()).collect();
                let folders = hashes.iter().map(|hash| PathBuf::from(folder_name(hash))).collect();
                (hashes, folders)
            }
        };
        for folder in folders {
            if let Some(folder) = project.folder(&folder)? {
                removed.extend(remove_dead(&folder, |name| name.starts_with(UNFINISHED))?);
            }
        }
        candidates = self.with_writer(|writer| {
            let mut left = Vec::new();
            for hash in candidates {
                if self.blobs.size(&hash).is_some() && !is_recorded(writer, &hash)? {
                    left.push(hash);
                }
            }
            Ok(left)
        })?;
        if !candidates.is_empty() {
            removed.extend(self.remove_orphans(&candidates)?);
        }
        // Last, so that a crash before here leaves the list for the next try.
        for (path, _) in dead {
            project.remove(&path)?;
            removed.push(project.path_of(path));
        }
        Ok(removed)
    }

    /// Deletes those files that have no row and are not reserved. Files are deleted only under the write lock: whoever
    /// gives them rows checks under it that they exist.
    fn remove_orphans(&self, candidates: &[blake3::Hash]) -> Result<Vec<PathBuf>> {
        self.write(Durability::Soon, |transaction| {
            let reserved = self.blobs.reserved()?;
            let mut orphans = Vec::new();
            for hash in candidates {
                if !reserved.contains(hash) && !is_recorded(transaction, hash)? {
                    orphans.push(*hash);
                }
            }
            self.blobs.remove(&orphans)?;
            Ok(orphans.iter().map(|hash| self.blobs.path(hash)).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use jiff::Timestamp;

    use super::super::blobs::Content;
    use super::super::disk::lock;
    use super::super::reservations::Term;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("p")).unwrap();
        (folder, store)
    }

    #[test]
    fn leftovers_of_dead_programs_are_deleted_and_nothing_else() {
        let (_folder, store) = store();
        let orphan = store.blobs.put(b"orphan").unwrap();
        let content = Content { bytes: b"kept".to_vec(), media_type: "image/png" };
        let kept = store.blobs.put(&content.bytes).unwrap();
        store.write(Durability::Full, |t| store.record_blob(t, &content, Timestamp::UNIX_EPOCH)).unwrap();
        let half = store.blobs.path(&orphan).with_file_name(".new-x");
        fs::write(&half, b"half").unwrap();
        let living = store.blobs.path(&orphan).with_file_name(".new-y");
        fs::write(&living, b"half").unwrap();
        let builder = File::open(&living).unwrap();
        assert!(lock(&builder).unwrap());
        let foreign = store.blobs.folder().join("note.txt");
        fs::write(&foreign, b"a person's").unwrap();
        let reservation = store.blobs.reserve(&[orphan], Term::Short).unwrap();
        assert_eq!(store.collect_leftovers().unwrap(), [half]);
        drop(reservation);
        assert_eq!(store.collect_leftovers().unwrap(), [store.blobs.path(&orphan)]);
        drop(builder);
        assert_eq!(store.collect_leftovers().unwrap(), [living]);
        assert!(foreign.exists() && store.blobs.read(&kept).is_ok());
    }

    #[test]
    fn a_dead_programs_list_is_enough_to_find_its_files() {
        let (_folder, store) = store();
        let (orphan, hidden) = (store.blobs.put(b"orphan").unwrap(), store.blobs.put(b"not announced").unwrap());
        let half = store.blobs.path(&orphan).with_file_name(".new-x");
        fs::write(&half, b"half").unwrap();
        let list = store.blobs.folder().join(".reserved-x");
        fs::write(&list, format!("{orphan}\n")).unwrap();
        assert_eq!(store.collect(Extent::Announced).unwrap(), [half, store.blobs.path(&orphan), list]);
        assert!(store.blobs.read(&hidden).is_ok());
    }
}
