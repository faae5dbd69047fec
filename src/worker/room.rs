//! Space on the project's disk. SQLite cannot even delete on a full one, so a file is kept that can be given up.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::studio::queue::{Pause, PauseReason};

/// A run is begun only where so much is free (bytes): some pictures, and the database's log beside them.
const LEAST: u64 = 24 << 20;
/// The size of the file that is given up: enough to put the queue in order.
const BALLAST: u64 = 8 << 20;

pub(super) struct Room {
    folder: PathBuf,
}

impl Room {
    pub fn new(project: &Path) -> Self {
        Self { folder: project.to_owned() }
    }

    /// Why no run should be begun now, if so.
    pub fn lack(&self) -> Option<String> {
        let free = self.free().filter(|&free| free < LEAST)?;
        Some(self.reason(free))
    }

    /// Why the queue stands still after the disk was found full.
    pub fn full(&self) -> String {
        self.reason(self.free().unwrap_or(0))
    }

    /// Whether a pause was for the lack of room, and there is enough again.
    pub fn is_back(&self, pause: &Pause) -> bool {
        let ballast = if self.ballast().exists() { 0 } else { BALLAST };
        pause.reason == PauseReason::DiskFull && self.free().is_none_or(|free| free >= LEAST + ballast)
    }

    /// Puts the ballast in place where there is room for it.
    pub fn load_ballast(&self) {
        let path = self.ballast();
        if path.exists() || self.free().is_none_or(|free| free < LEAST + BALLAST) {
            return;
        }
        // Without it a full disk is harder to leave, but nothing is lost.
        if self.write_ballast(&path).is_err() {
            self.drop_ballast();
        }
    }

    /// Gives the ballast up; false if there was none.
    pub fn drop_ballast(&self) -> bool {
        fs::remove_file(self.ballast()).is_ok()
    }

    fn write_ballast(&self, path: &Path) -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".ballast-").tempfile_in(&self.folder)?;
        // Numbers that no file system can make smaller.
        let mut source = blake3::Hasher::new().finalize_xof();
        let mut piece = vec![0; 1 << 20];
        for _ in 0..BALLAST / piece.len() as u64 {
            source.fill(&mut piece);
            file.write_all(&piece)?;
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// What this user can still write; None where the system does not say.
    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn reason(&self, free: u64) -> String {
        let (least, folder) = (LEAST >> 20, self.folder.display());
        format!(
            "there is no room left on the disk of {folder}: {} MiB are free, and {least} MiB are needed; make room, and the queue goes on by \
             itself",
            free >> 20
        )
    }
}
