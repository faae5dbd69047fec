//! Why a worker cannot go on, in sentences. What concerns one run alone is kept with that run instead.

use crate::{diffusion, store};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),

    #[error(transparent)]
    Diffusion(#[from] diffusion::Error),

    #[error(
        "another worker took over {device}, because this one did not answer for longer than its lease; what it had not \
         stored yet is dropped"
    )]
    LostDevice { device: String },

    #[error("the worker's thread cannot be started: {0}")]
    NoThread(std::io::Error),

    #[error("the worker broke off: {0}; this is a bug in the program, and the runs come back when their leases end")]
    Panic(String),
}
