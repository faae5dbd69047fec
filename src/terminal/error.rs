//! Errors of the terminal.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("standard {stream} is not a terminal: run pentimento in a terminal, or use its subcommands")]
    NoTerminal { stream: &'static str },

    #[error("the terminal is gone")]
    Gone,

    #[error("cannot use the terminal: {0}")]
    Io(std::io::Error),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, UnexpectedEof};
        const EIO: i32 = 5;
        if matches!(error.kind(), BrokenPipe | UnexpectedEof) || error.raw_os_error() == Some(EIO) {
            return Self::Gone;
        }
        Self::Io(error)
    }
}
