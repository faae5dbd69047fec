//! What the terminal on stdout can do for commands that print and end.

use crate::terminal::colours::Colours;
use crate::terminal::look;
use crate::terminal::verdict::{Protocol, Tmux, Verdict, Wish};

/// How pictures are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    Kitty,
    Iterm2,
    HalfBlocks,
    Off,
}

pub struct Terminal {
    pub images: Images,
    pub verdict: Verdict,
}

impl Terminal {
    /// Looks at stdout. Asks the terminal once, for at most a second.
    pub fn on_stdout() -> Self {
        let verdict = look(Wish::Auto);
        Self { images: printed(&verdict), verdict }
    }

    pub fn is_truecolor(&self) -> bool {
        self.verdict.colours == Colours::True
    }
}

/// What is printed is not seen again, so that it needs no placeholders, but whatever is in between must hand it on. There
/// is no printing of sixels.
fn printed(verdict: &Verdict) -> Images {
    match verdict.protocol {
        Protocol::Off => Images::Off,
        _ if verdict.prints_kitty => Images::Kitty,
        Protocol::Kitty if verdict.tmux == Tmux::Absent => Images::Kitty,
        Protocol::Iterm2 if verdict.tmux == Tmux::Absent => Images::Iterm2,
        _ => Images::HalfBlocks,
    }
}
