//! Finds out what the terminal on standard output can do.

use std::time::Duration;

use super::capabilities::{self, Capabilities};
use super::environment::Environment;
use super::probe::{self, Layers, Replies};
use super::protocol::ChosenProtocol;

/// How long to wait for replies. Terminals on another continent answer within a third of it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Finds out what the terminal on standard output can do. `chosen` is the user's choice of a protocol, if any;
/// `allow_colour` is false if the user wants none.
///
/// Asks the terminal once and waits for at most a second, or two in a tmux on another machine. Call it before anything
/// else reads the terminal's input, and [`super::settle()`] before the program ends: the shell would take a late reply for
/// input.
pub fn detect(chosen: Option<ChosenProtocol>, allow_colour: bool) -> Capabilities {
    let environment = Environment::of_this_process(allow_colour);
    let mut replies = Replies::default();
    if environment.may_be_asked() {
        replies = probe::ask(environment.layers(), TIMEOUT);
        // SSH from within tmux: TMUX is not set here, but tmux answers.
        if environment.layers() == Layers::One
            && capabilities::is_tmux(&replies)
            && environment.tmux_passthrough != Some(false)
        {
            replies = probe::ask(Layers::Two, TIMEOUT);
        }
    }
    capabilities::assess(&replies, &environment, chosen)
}
