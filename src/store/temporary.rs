//! Files and folders that are being built under a temporary name.
//!
//! Their builder holds a lock on them. The lock ends with the builder, so a leftover of one that died can be told from a
//! file that is being written: [`remove_dead`] deletes only what nobody has locked.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::disk::{self, Folder, lock, parent};
use super::{Error, Result};

/// A file with a temporary name and mode 0600. It is deleted on drop unless it is renamed.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: Arc<Folder>,
    name: String,
    file: File,
    is_placed: bool,
}

impl Temporary {
    /// Creates a locked file, whose name is unique between the prefix and the suffix.
    pub fn new(folder: &Arc<Folder>, prefix: &str, suffix: &str) -> Result<Self> {
        loop {
            let name = format!("{prefix}{}{suffix}", Uuid::now_v7().simple());
            let failed = |error| Error::file(&folder.path_of(&name), "write", error);
            let file = folder.create_file(&name).map_err(failed)?;
            let new = Self { folder: folder.clone(), name: name.clone(), file, is_placed: false };
            // Between its creation and its lock, another program may take it for a dead one and delete it.
            if lock_if_possible(&new.file).map_err(failed)? && new.file.metadata().map_err(failed)?.nlink() > 0 {
                return Ok(new);
            }
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path_of(&self.name)
    }

    /// The size in bytes.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Leaves the file where it is, as if this program had died.
    pub fn abandon(mut self) {
        self.is_placed = true;
    }

    /// Syncs the file and renames it, over any existing file. The caller syncs the folder.
    pub fn replace(self, name: impl AsRef<Path>) -> Result<()> {
        self.finish(name.as_ref(), Folder::replace)
    }

    /// Syncs the file and renames it. Fails with [`Error::FileExists`] if there is a file. The caller syncs the folder.
    pub fn place(self, name: impl AsRef<Path>) -> Result<()> {
        self.finish(name.as_ref(), Folder::place)
    }

    fn finish(mut self, name: &Path, rename: fn(&Folder, &str, &Path) -> io::Result<()>) -> Result<()> {
        let path = self.folder.path_of(name);
        let finished = disk::sync(&self.file, &self.path()).and_then(|()| rename(&self.folder, &self.name, name));
        self.is_placed = finished.is_ok();
        finished.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::FileExists { path },
            _ => Error::file(&path, "write", error),
        })
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        disk::write(&self.file, &self.path(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Temporary {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_placed {
            // If this fails, the file is a leftover, which is deleted later.
            let _ = self.folder.remove(&self.name);
        }
    }
}

/// A folder with a temporary name and mode 0700. It is deleted on drop unless it is renamed.
#[derive(Debug)]
pub(super) struct TemporaryFolder {
    parent: Folder,
    name: String,
    folder: Arc<Folder>,
    is_placed: bool,
}

impl TemporaryFolder {
    /// Creates a locked folder beside `path`.
    pub fn beside(path: &Path, prefix: &str) -> Result<Self> {
        let parent = Folder::open(parent(path))?;
        let name = format!("{prefix}{}", Uuid::now_v7().simple());
        let folder = Arc::new(parent.make_folder(&name)?);
        let new = Self { parent, name, folder, is_placed: false };
        let failed = |error| Error::file(new.folder.path(), "lock", error);
        lock_if_possible(&*new.folder).map_err(failed)?;
        Ok(new)
    }

    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Renames the folder, over an empty one of that name if there is one, and syncs its parent.
    pub fn place(mut self, name: impl AsRef<Path>) -> Result<()> {
        let name = name.as_ref();
        let renamed = self.parent.replace(&self.name, name);
        self.is_placed = renamed.is_ok();
        renamed.map_err(|error| Error::file(&self.parent.path_of(name), "write", error))?;
        self.parent.sync()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = self.parent.remove_folder(&self.name);
        }
    }
}

/// Deletes the temporary files and folders of a folder whose builders have died. Returns their names.
pub(super) fn remove_dead(folder: &Folder, is_temporary: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for name in folder.names()? {
        let Some(name) = name.to_str().filter(|name| is_temporary(name)) else { continue };
        // The lock is held until the file is gone.
        let Some(_lock) = lock_dead(folder, OsStr::new(name))? else { continue };
        match folder.folder(name)? {
            Some(_) => folder.remove_folder(name)?,
            None => drop(folder.remove(name)?),
        }
        removed.push(folder.path_of(name));
    }
    Ok(removed)
}

/// Opens and locks a temporary file or folder if its builder has died.
pub(super) fn lock_dead(folder: &Folder, name: &OsStr) -> Result<Option<File>> {
    let failed = |error| Error::file(&folder.path_of(name), "lock", error);
    match folder.open_file(name) {
        Ok(file) => Ok(lock(&file).map_err(failed)?.then_some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Like [`lock`]. On file systems without locks it does as if it had locked.
fn lock_if_possible(file: impl std::os::fd::AsFd) -> io::Result<bool> {
    match lock(file) {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(true),
        locked => locked,
    }
}
