//! The terminal: what it can, what it says, and how it is left as it was found.
//!
//! - [`look`]: asks the terminal once and judges; [`probe`] asks, [`verdict`] judges, each without the other
//! - [`session`]: the drawn screen and its undoing, whatever happens
//! - [`input`]: keys, pastes, signals and late answers become the few events that a screen needs
//! - [`pictures`]: pictures on the screen: coarse at once, sharp as fast as the link takes them
//! - [`kitty`]: kitty's graphics; [`pace`]: no more on its way than the terminal has seen
//! - [`colours`]: the nearest colour that there is
//! - [`clipboard`]: copying, over SSH too
//! - [`tmux`]: what is between the program and its terminal

pub mod clipboard;
pub mod colours;
pub mod input;
pub mod kitty;
pub mod pace;
pub mod pictures;
pub mod probe;
pub mod session;
pub mod tmux;
pub mod verdict;

use std::io::IsTerminal;
use std::time::Duration;

use probe::Layers;
use verdict::{Hints, Verdict, Wish};

/// As long as the terminal is waited for. Far-away ones answer within a third of it.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "a screen needs a terminal, and the {what} is a file or a pipe; run it in a terminal, or use the subcommands"
    )]
    NoTerminal { what: &'static str },

    /// Nothing to say, and nobody to say it to.
    #[error("the terminal has gone away")]
    Gone,

    #[error("the terminal cannot be used: {0}")]
    Io(std::io::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

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

/// Refuses where there is no terminal to take.
pub fn require() -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(Error::NoTerminal { what: "output" });
    }
    input::tty().map(drop).map_err(|_| Error::NoTerminal { what: "input" })
}

/// What the terminal on stdout can do. Asks it once, for at most a second, so this comes before its input is read by
/// anybody else, and not shortly before the program ends.
pub fn look(wish: Wish) -> Verdict {
    let hints = Hints::of_this_process();
    let mut replies = probe::Replies::default();
    if hints.may_ask() {
        replies = probe::ask(hints.layers(), PATIENCE);
        // SSH out of a tmux: the environment did not say so.
        if hints.layers() == Layers::One && verdict::is_tmux(&replies) && hints.passes_through != Some(false) {
            replies = probe::ask(Layers::Two, PATIENCE);
        }
    }
    verdict::judge(&replies, &hints, wish)
}
