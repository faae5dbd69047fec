//! Errors that end a worker. An error that concerns one run is stored with that run instead.

use crate::{diffusion, store};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),

    #[error(transparent)]
    Diffusion(#[from] diffusion::Error),

    #[error("another worker took over {device}, because this one missed its lease: start this one again")]
    LostDevice { device: String },

    #[error("cannot start the worker's thread: {0}")]
    NoThread(std::io::Error),

    #[error("the worker panicked ({0}). Report this bug; its run returns to the queue when the lease expires")]
    Panic(String),
}
