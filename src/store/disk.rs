//! Private folders and files, atomic writes, and a warning about network file systems.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Error, Result};

/// Creates a folder and its parents with mode 0700. An existing folder keeps its mode.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| Error::file(folder, "create", error))
}

/// Creates an empty file with mode 0600. Fails if the file exists.
pub(super) fn make_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::file(path, "create", error))
}

/// Creates a file with mode 0600 and a random name in the folder of `path`. It is deleted on drop unless it is renamed
/// to `path` with [`replace`] or [`place`].
pub(super) fn temporary_file(path: &Path, prefix: &str, suffix: &str) -> Result<NamedTempFile> {
    let file = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(parent(path));
    file.map_err(|error| Error::file(path, "write", error))
}

/// Syncs a temporary file and renames it to `path`, over any existing file. The caller syncs the folder.
pub(super) fn replace(file: NamedTempFile, path: &Path) -> Result<()> {
    let failed = |error| Error::file(path, "write", error);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Syncs a temporary file and renames it to `path`. Fails with [`Error::FileExists`] if there is a file. The caller
/// syncs the folder.
pub(super) fn place(file: NamedTempFile, path: &Path) -> Result<()> {
    let failed = |error| Error::file(path, "write", error);
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => Error::FileExists { path: path.to_owned() },
        _ => failed(error.error),
    })?;
    Ok(())
}

/// Syncs a folder, so that files created, renamed or deleted in it survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::file(folder, "write to", error))
}

/// The folder that holds `path`; `.` for a bare file name.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// The entries of a folder; none if it does not exist.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::file(folder, "read", error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

/// The size of a file in bytes; 0 if it does not exist.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// A warning if the folder is on a network file system: SQLite cannot rely on the locks there.
pub(super) fn network_warning(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let kind = file_system(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)?;
    let network = ["nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.rclone"];
    network.contains(&kind.as_str()).then(|| {
        format!(
            "{} is on a network file system ({kind}), whose locks are unreliable. Move the project to a local disk.",
            folder.display()
        )
    })
}

/// The type of the file system at `path`, from the text of Linux's `/proc/self/mountinfo` (proc(5)).
fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (place, rest) = line.split_once(" - ")?;
        let point = PathBuf::from(place.split(' ').nth(4)?.replace("\\040", " "));
        let kind = rest.split(' ').next()?.to_owned();
        path.starts_with(&point).then(|| (point.components().count(), kind))
    };
    // `max_by_key` takes the last of the deepest mounts: a later mount covers an earlier one.
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_decides_the_file_system() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/a rw\n30 22 0:40 / /home rw shared:1 - nfs4 host:/x rw\n\
                      31 30 0:41 / /home/a\\040b rw - tmpfs tmpfs rw\n";
        let kind = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!((kind("/tmp").as_str(), kind("/home/x").as_str()), ("ext4", "nfs4"));
        assert_eq!((kind("/home/a b/c").as_str(), kind("/homely").as_str()), ("tmpfs", "ext4"));
    }
}
