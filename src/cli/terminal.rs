//! What the terminal on stdout can do for commands that print and end.

use clap::Args;

use crate::config::{Config, ImageMode, Origin};
use crate::terminal::colours::Colours;
use crate::terminal::look;
use crate::terminal::verdict::{Protocol, Tmux, Verdict, Wish};

#[derive(Args, Clone, Debug, Default)]
pub struct ImageArguments {
    /// How pictures are shown: auto, kitty, sixel, iterm2, halfblocks or off [default: $PENTIMENTO_IMAGES, else `images` in
    /// the settings, else what suits the terminal]
    #[arg(long, value_name = "PROTOCOL", global = true, help_heading = "Pictures")]
    pub images: Option<ImageMode>,
}

/// The protocol that the settings name. The terminal itself reads the variable.
pub fn wish() -> Wish {
    let images = &Config::current().images;
    let protocol = match images.value {
        ImageMode::Auto => return Wish::Auto,
        ImageMode::Kitty => Protocol::Kitty,
        ImageMode::Sixel => Protocol::Sixel,
        ImageMode::Iterm2 => Protocol::Iterm2,
        ImageMode::HalfBlocks => Protocol::HalfBlocks,
        ImageMode::Off => Protocol::Off,
    };
    match images.origin {
        Origin::Flag(_) => Wish::Only(protocol),
        _ => Wish::Usually(protocol),
    }
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
