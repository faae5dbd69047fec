//! Why a use case failed.

use std::path::PathBuf;

use crate::studio::consent::BadConsent;
use crate::studio::rules::Refusal;
use crate::studio::subject::Handle;
use crate::{diffusion, imaging, store};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),

    #[error(transparent)]
    Diffusion(#[from] diffusion::Error),

    #[error(transparent)]
    Imaging(#[from] imaging::Error),

    #[error(transparent)]
    Consent(#[from] BadConsent),

    #[error("the picture {} cannot be encoded as PNG: {reason}", path.display())]
    Encoding { path: PathBuf, reason: String },

    #[error("the prompt is empty: describe at least the subject")]
    EmptyPrompt,

    #[error("no adapter file at {}: check the path", path.display())]
    NoAdapterFile { path: PathBuf },

    /// The deletion succeeded, but the search after it found something deleted in a file.
    #[error("the data is deleted, but {} still contains some of it: delete the file yourself", path.display())]
    FileRemains { path: PathBuf },

    /// The deletion succeeded, but the check after it found a problem.
    #[error("{handle} is deleted, but `verify` found {count} problem(s), the first: {first}")]
    ProblemsRemain { handle: Handle, count: usize, first: String },
}

impl Error {
    /// The rule that refused, if one did.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.rule(),
            _ => None,
        }
    }
}

impl Error {
    /// Whether the request itself was wrong, not the project or the files.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Consent(_) | Self::EmptyPrompt | Self::NoAdapterFile { .. })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Store(refusal.into())
    }
}
