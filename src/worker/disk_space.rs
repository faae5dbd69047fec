//! Free space on the project's disk. On a full disk SQLite cannot even delete, so a reserve file is kept that can be
//! deleted to make space.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::studio::queue::{Pause, PauseReason};

/// A run starts only with this much free space, in bytes: enough for some pictures and the database's log.
const MIN_FREE: u64 = 24 << 20;
/// The size of the reserve file in bytes: enough to put the queue in order.
const RESERVE: u64 = 8 << 20;

/// The pauses between attempts to write again grow from the first to the second of these.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// What is written to see whether writing works, in bytes. Free bytes alone do not tell: inodes may be used up, or a quota.
const TEST_SIZE: usize = 1 << 20;

pub(super) struct DiskSpace {
    folder: PathBuf,
    /// When to try again, and the pause after that.
    retry: Option<(Instant, Duration)>,
}

impl DiskSpace {
    pub fn new(project: &Path) -> Self {
        Self { folder: project.to_owned(), retry: None }
    }

    /// If there is too little space to start a run: the message for pausing the queue.
    pub fn shortage(&self) -> Option<String> {
        let free = self.free().filter(|&free| free < MIN_FREE)?;
        Some(self.message(free))
    }

    /// The message for pausing the queue after a write failed for lack of space.
    pub fn full_message(&mut self) -> String {
        self.delay_retry();
        self.message(self.free().unwrap_or(0))
    }

    /// Forgets earlier failures after a picture was stored.
    pub fn stored(&mut self) {
        self.retry = None;
    }

    fn delay_retry(&mut self) {
        let delay = self.retry.map_or(RETRY_AFTER.0, |(_, delay)| (delay * 2).min(RETRY_AFTER.1));
        self.retry = Some((Instant::now() + delay, delay));
    }

    /// Whether a file can be written. The file has no name, so nothing is left behind.
    pub fn can_write(&self) -> bool {
        let write = || {
            let mut file = tempfile::tempfile_in(&self.folder)?;
            file.write_all(&vec![0xA5; TEST_SIZE])?;
            file.sync_all()
        };
        write().is_ok()
    }

    /// Whether the queue is paused for lack of space, and there is enough again.
    pub fn has_recovered_from(&mut self, pause: &Pause) -> bool {
        let reserve = if self.reserve_file().exists() { 0 } else { RESERVE };
        if pause.reason != PauseReason::DiskFull
            || self.free().is_some_and(|free| free < MIN_FREE + reserve)
            || self.retry.is_some_and(|(at, _)| Instant::now() < at)
        {
            return false;
        }
        let can_write = self.can_write();
        if !can_write {
            self.delay_retry();
        }
        can_write
    }

    /// Writes the reserve file, if there is space for it.
    pub fn create_reserve(&self) {
        let path = self.reserve_file();
        if path.exists() || self.free().is_none_or(|free| free < MIN_FREE + RESERVE) {
            return;
        }
        // Without a reserve it is harder to recover from a full disk, but nothing is lost.
        if self.write_reserve(&path).is_err() {
            self.release_reserve();
        }
    }

    /// Deletes the reserve file. Returns false if there was none.
    pub fn release_reserve(&self) -> bool {
        fs::remove_file(self.reserve_file()).is_ok()
    }

    fn write_reserve(&self, path: &Path) -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".ballast-").tempfile_in(&self.folder)?;
        // Pseudo-random bytes, which no file system can compress.
        let mut source = blake3::Hasher::new().finalize_xof();
        let mut piece = vec![0; 1 << 20];
        for _ in 0..RESERVE / piece.len() as u64 {
            source.fill(&mut piece);
            file.write_all(&piece)?;
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn reserve_file(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// The space that this user can still write, in bytes; `None` if the system does not report it.
    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn message(&self, free: u64) -> String {
        format!(
            "no space left on the disk of {} ({} MiB free, {} MiB needed): free some space, and the queue resumes by \
             itself",
            self.folder.display(),
            free >> 20,
            MIN_FREE >> 20
        )
    }
}
