//! What the terminal on stdout can do for commands that print and end.

use std::sync::OnceLock;

use clap::Args;

use super::config::Config;
use crate::terminal::colours::Colours;
use crate::terminal::look;
use crate::terminal::verdict::{Protocol, Tmux, Verdict, Wish};

#[derive(Args, Clone, Debug, Default)]
pub struct ImageArguments {
    /// How pictures are shown: auto, kitty, sixel, iterm2, halfblocks or off [default: $PENTIMENTO_IMAGES, else `images` in
    /// the settings, else what suits the terminal]
    #[arg(long, value_name = "PROTOCOL", global = true, help_heading = "Pictures")]
    images: Option<Wish>,
}

static ASKED: OnceLock<Wish> = OnceLock::new();

impl ImageArguments {
    /// Remembers what was asked for, for whatever shows pictures later.
    pub fn remember(&self) {
        if let Some(wish) = self.images {
            ASKED.get_or_init(|| wish);
        }
    }
}

/// What is asked for, on the command line or in the settings.
pub fn wish() -> Wish {
    let usual = || match Config::load().unwrap_or_default().images.as_deref().map(str::parse) {
        Some(Ok(Wish::Only(protocol))) => Wish::Usually(protocol),
        _ => Wish::Auto,
    };
    ASKED.get().copied().unwrap_or_else(usual)
}

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
        let verdict = look(wish());
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
