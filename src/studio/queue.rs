//! Why the queue is paused.

use std::fmt;

use jiff::Timestamp;

/// A pause of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub reason: PauseReason,
    /// Details for the user, in one or two sentences; may be empty.
    pub message: String,
    pub since: Timestamp,
}

/// What paused the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PauseReason {
    /// Somebody paused it; it stays paused until somebody resumes it.
    User,
    /// The disk is almost full; a worker resumes the queue when there is space again.
    DiskFull,
}

impl PauseReason {
    pub const ALL: [Self; 2] = [Self::User, Self::DiskFull];

    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::DiskFull => "disk-full",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for Pause {
    /// Writes the message, or what the reason means.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            _ if !self.message.is_empty() => f.write_str(&self.message),
            PauseReason::User => f.write_str("paused by a user"),
            PauseReason::DiskFull => f.write_str("the disk is full"),
        }
    }
}
