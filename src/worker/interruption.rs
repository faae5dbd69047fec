//! Why a worker stops generating a run before all its pictures are done.

use crate::{diffusion, imaging, store};

/// Why a run did not get all its pictures here.
#[derive(Debug)]
pub(super) enum Interruption {
    /// The user cancelled the run.
    Cancelled,
    /// The worker has to stop. The run resumes later.
    Stopped,
    /// The run no longer belongs to this worker.
    Lost,
    /// The disk is full. The run resumes when there is space.
    DiskFull,
    /// The run cannot be done, for this reason.
    Failed(String),
    /// The project cannot be read or written.
    Fatal(store::Error),
}

impl From<store::Error> for Interruption {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        match error {
            E::LostLease { .. } => Self::Lost,
            E::DiskFull { .. } => Self::DiskFull,
            E::ReadOnly { .. }
            | E::NotADatabase { .. }
            | E::Damaged { .. }
            | E::ForeignLog { .. }
            | E::DiskFailed { .. }
            | E::Newer { .. }
            | E::NoProject { .. }
            | E::Moved { .. }
            | E::Busy { .. }
            // A disk that cannot read or write a file fails for the next run, too. A missing blob fails only its run.
            | E::File { .. }
            | E::Sql(_) => Self::Fatal(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<diffusion::Error> for Interruption {
    fn from(error: diffusion::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<imaging::Error> for Interruption {
    fn from(error: imaging::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
