//! The file layer of a project. Every call of the store that changes a file outside SQLite goes through here, so that a
//! test can make each one fail, or stop the program there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, mkdirat, open, openat, statat, unlinkat};
use rustix::io::Errno;

use super::{Error, Result};

/// A call that changes files, with their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    Create(&'a Path),
    /// With the number of bytes.
    Write(&'a Path, usize),
    /// Syncs a file's content.
    Sync(&'a Path),
    Rename(&'a Path, &'a Path),
    Remove(&'a Path),
    MakeFolder(&'a Path),
    RemoveFolder(&'a Path),
    /// Syncs the names in a folder.
    SyncFolder(&'a Path),
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Fate {
    Proceed,
    Fail(io::Error),
    /// A write stores only this many bytes, then fails.
    Torn(usize, io::Error),
}

/// Decides about a call before it is made.
pub type Interceptor = fn(&Call<'_>) -> Fate;

static INTERCEPTOR: OnceLock<Interceptor> = OnceLock::new();

/// Lets a test decide about every call. It is set once, for the whole process.
pub fn intercept(interceptor: Interceptor) {
    let _ = INTERCEPTOR.set(interceptor);
}

fn fate(call: &Call<'_>) -> Fate {
    INTERCEPTOR.get().map_or(Fate::Proceed, |interceptor| interceptor(call))
}

fn ask(call: &Call<'_>) -> io::Result<()> {
    match fate(call) {
        Fate::Proceed => Ok(()),
        Fate::Fail(error) | Fate::Torn(_, error) => Err(error),
    }
}

/// Writes some of `bytes`, and returns how many.
pub(super) fn write(mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<usize> {
    match fate(&Call::Write(path, bytes.len())) {
        Fate::Proceed => file.write(bytes),
        Fate::Fail(error) => Err(error),
        Fate::Torn(length, error) => {
            file.write_all(&bytes[..length.min(bytes.len())])?;
            Err(error)
        }
    }
}

pub(super) fn sync(file: &File, path: &Path) -> io::Result<()> {
    ask(&Call::Sync(path))?;
    file.sync_all()
}

/// Locks a file or folder for this descriptor, until it is closed. Returns false if another descriptor has locked it.
pub(super) fn lock(file: impl AsFd) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A folder, held by its descriptor: it stays the same one if somebody moves it. Names are relative to it, and a file is
/// never created anywhere else.
#[derive(Debug)]
pub(super) struct Folder {
    descriptor: OwnedFd,
    /// Where it was opened.
    path: PathBuf,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    pub fn open(path: &Path) -> Result<Self> {
        let path = if path == Path::new("") { Path::new(".") } else { path };
        let opened = open(path, FOLDER, Mode::empty()).map_err(|error| Error::file(path, "open", error.into()));
        Ok(Self { descriptor: opened?, path: path.to_owned() })
    }

    /// Creates a folder and its parents with mode 0700. An existing folder keeps its mode.
    pub fn create(path: &Path) -> Result<Self> {
        let parent = parent(path);
        match path.file_name() {
            Some(name) if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) => {
                Self::create(parent)?.make_folder(name)
            }
            _ => Self::open(path),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn path_of(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a folder in this one; `None` if there is none. A link is not followed.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = self.path_of(&name);
        match openat(&self.descriptor, name.as_ref(), FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(descriptor) => Ok(Some(Self { descriptor, path })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(Error::file(&path, "open", error.into())),
        }
    }

    /// Opens a folder in this one, and creates it with mode 0700 if there is none.
    pub fn make_folder(&self, name: impl AsRef<Path>) -> Result<Self> {
        let name = name.as_ref();
        if let Some(folder) = self.folder(name)? {
            return Ok(folder);
        }
        let path = self.path_of(name);
        let failed = |error| Error::file(&path, "create", error);
        ask(&Call::MakeFolder(&path)).map_err(failed)?;
        match mkdirat(&self.descriptor, name, Mode::RWXU) {
            Ok(()) => match name.parent().filter(|parent| *parent != Path::new("")) {
                Some(parent) => self.folder(parent)?.map_or(Ok(()), |parent| parent.sync())?,
                None => self.sync()?,
            },
            Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error.into())),
        }
        self.folder(name)?.ok_or_else(|| failed(ErrorKind::NotADirectory.into()))
    }

    /// Creates an empty file with mode 0600. Fails if the file exists.
    pub fn create_file(&self, name: &str) -> io::Result<File> {
        ask(&Call::Create(&self.path_of(name)))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(openat(&self.descriptor, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Opens a file for reading. A link is not followed, and a pipe does not wait for its writer.
    pub fn open_file(&self, name: impl AsRef<Path>) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&self.descriptor, name.as_ref(), flags, Mode::empty())?.into())
    }

    /// The size of a file in bytes; `None` if it does not exist or is no regular file.
    pub fn size(&self, name: impl AsRef<Path>) -> Option<u64> {
        let found = statat(&self.descriptor, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        FileType::from_raw_mode(found.st_mode).is_file().then(|| found.st_size.unsigned_abs())
    }

    /// Renames a file in this folder, over any existing one.
    pub fn replace(&self, from: &str, to: &Path) -> io::Result<()> {
        ask(&Call::Rename(&self.path_of(from), &self.path_of(to)))?;
        Ok(rustix::fs::renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    /// Renames a file in this folder. Fails if there is a file of the new name.
    pub fn place(&self, from: &str, to: &Path) -> io::Result<()> {
        ask(&Call::Rename(&self.path_of(from), &self.path_of(to)))?;
        let folder = &self.descriptor;
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        match rustix::fs::renameat_with(folder, from, folder, to, rustix::fs::RenameFlags::NOREPLACE) {
            // Not every file system can do it in one call.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
        rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
        Ok(unlinkat(folder, from, AtFlags::empty())?)
    }

    /// Deletes a file. Returns false if there is none.
    pub fn remove(&self, name: impl AsRef<Path>) -> Result<bool> {
        let path = self.path_of(&name);
        let failed = |error| Error::file(&path, "delete", error);
        ask(&Call::Remove(&path)).map_err(failed)?;
        match unlinkat(&self.descriptor, name.as_ref(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Deletes a folder in this one with everything in it. Links are not followed.
    pub fn remove_folder(&self, name: impl AsRef<Path>) -> Result<()> {
        let Some(folder) = self.folder(&name)? else { return Ok(()) };
        for entry in folder.names()? {
            match folder.folder(&entry)? {
                Some(_) => folder.remove_folder(&entry)?,
                None => drop(folder.remove(&entry)?),
            }
        }
        let path = self.path_of(&name);
        let failed = |error| Error::file(&path, "delete", error);
        ask(&Call::RemoveFolder(&path)).map_err(failed)?;
        unlinkat(&self.descriptor, name.as_ref(), AtFlags::REMOVEDIR).map_err(|error| failed(error.into()))
    }

    /// The names of everything in it, sorted.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let failed = |error: Errno| Error::file(&self.path, "read", error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.descriptor).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Syncs it, so that files created, renamed or deleted in it survive a power cut.
    pub fn sync(&self) -> Result<()> {
        let synced = ask(&Call::SyncFolder(&self.path)).and_then(|()| Ok(rustix::fs::fsync(&self.descriptor)?));
        synced.map_err(|error| Error::file(&self.path, "write to", error))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The folder that holds `path`; `.` for a bare file name.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// The size of a file in bytes; 0 if it does not exist.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
