//! Why the queue is paused.

use std::fmt;

use jiff::Timestamp;
use strum::{EnumCount, EnumString, IntoStaticStr, VariantArray};

use super::names::named;

/// A pause of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub reason: PauseReason,
    /// Details for the user, in one or two sentences; may be empty.
    pub message: String,
    pub since: Timestamp,
}

/// What paused the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum PauseReason {
    /// Somebody paused it; it stays paused until somebody resumes it.
    User,
    /// The disk is almost full; a worker resumes the queue when there is space again.
    DiskFull,
}

named!(PauseReason);

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
