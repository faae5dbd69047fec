//! Warns about network file systems, from the table of mounts.

use std::fs;
use std::path::{Path, PathBuf};

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
