//! What the environment says about the terminal.

use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

use super::probe::Layers;
use super::tmux;

/// What the environment says about the terminal. SSH does not forward most variables, so these are hints, not facts.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whether standard output is a terminal.
    pub is_terminal: bool,
    pub term: String,
    pub colorterm: String,
    pub term_program: String,
    /// Forwarded by SSH if it forwards the language.
    pub lc_terminal: String,
    pub no_color: bool,
    pub in_tmux: bool,
    /// The state of tmux's `allow-passthrough`, if tmux reports it.
    pub tmux_passthrough: Option<bool>,
    pub in_zellij: bool,
    pub columns: u16,
    pub rows: u16,
    /// Width and height of the window in pixels according to the kernel; often 0.
    pub pixels: (u16, u16),
}

impl Environment {
    pub fn of_this_process(allow_colour: bool) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let is_terminal = std::io::stdout().is_terminal();
        let in_tmux = !variable("TMUX").is_empty();
        let size = tcgetwinsize(std::io::stdout()).ok();
        let (columns, rows) = size.as_ref().map_or((0, 0), |size| (size.ws_col, size.ws_row));
        Self {
            is_terminal,
            term: variable("TERM"),
            colorterm: variable("COLORTERM"),
            term_program: variable("TERM_PROGRAM"),
            lc_terminal: variable("LC_TERMINAL"),
            no_color: !allow_colour,
            in_tmux,
            tmux_passthrough: (is_terminal && in_tmux).then(tmux::allows_passthrough).flatten(),
            in_zellij: !variable("ZELLIJ").is_empty(),
            columns: if columns == 0 { 80 } else { columns },
            rows: if rows == 0 { 24 } else { rows },
            pixels: size.map_or((0, 0), |size| (size.ws_xpixel, size.ws_ypixel)),
        }
    }

    /// Whether the terminal understands queries, or at least does not print them.
    pub fn may_be_asked(&self) -> bool {
        self.is_terminal && !self.is_dumb() && self.term != "linux"
    }

    pub fn layers(&self) -> Layers {
        if self.in_tmux && self.tmux_passthrough != Some(false) { Layers::Two } else { Layers::One }
    }

    /// Whether TERM names a terminal without capabilities.
    pub fn is_dumb(&self) -> bool {
        self.term.is_empty() || self.term == "dumb"
    }
}
