//! The terminal device: opening it, and writing to it with a time limit.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::error::{Error, Result};

/// Fails unless there is a terminal to draw on and to read keys from.
pub fn require() -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(Error::NoTerminal { stream: "output" });
    }
    open_input().map(drop).map_err(|_| Error::NoTerminal { stream: "input" })
}

/// The terminal that keys come from: the same one that crossterm reads.
pub(super) fn open_input() -> std::io::Result<OwnedFd> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { Ok(File::open("/dev/tty")?.into()) }
}

/// Standard output as an unbuffered file.
pub(super) fn open_output() -> std::io::Result<File> {
    Ok(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
}

/// Writes to standard output what the terminal accepts within `limit`, and drops the rest: a terminal that does not read
/// must not keep the program from ending.
pub(super) fn write_within(bytes: &[u8], limit: Duration) {
    let stdout = std::io::stdout();
    let deadline = Instant::now() + limit;
    for part in bytes.chunks(256) {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        let ready = poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], Some(&left));
        if !matches!(ready, Ok(1)) || rustix::io::write(&stdout, part).is_err() {
            return;
        }
    }
}
