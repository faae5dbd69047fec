//! The terminal: what it can show, what the user types into it, and how it is restored.
//!
//! - [`detect()`]: finds out what the terminal can do; [`probe`] asks it, [`environment`] reads the process's environment,
//!   [`capabilities`] draws the conclusions
//! - [`session`]: the full screen, from opening it to leaving it; `restore` undoes it after errors, panics and signals
//! - [`input`]: keys, pastes and signals; [`late_replies`]: replies of the terminal that arrive among the keys
//! - [`settle()`]: reads what the terminal still owes before the program ends; `typed_ahead`: keys that were typed while
//!   it was asked
//! - [`pictures`]: pictures on the full screen, in half-blocks first and sharp as soon as they have been sent
//! - [`kitty`]: kitty's graphics protocol; [`flow_control`]: limits how many bytes are sent ahead of the terminal
//! - [`colours`]: colour depths, and the nearest available colour
//! - [`clipboard`]: copies text, also over SSH
//! - [`tmux`]: passing escape sequences through tmux

pub mod capabilities;
pub mod cell_size;
mod clamped;
pub mod clipboard;
pub mod colours;
mod detect;
pub mod environment;
mod error;
pub mod flow_control;
pub mod frame;
pub mod input;
pub mod kitty;
pub mod late_replies;
pub mod pictures;
pub mod probe;
pub mod protocol;
pub mod reply;
mod restore;
pub mod session;
pub mod tmux;
mod tty;
mod typed_ahead;

pub use detect::detect;
pub use error::{Error, Result};
pub use probe::settle;
pub use tty::require;
