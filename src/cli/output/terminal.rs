//! What the terminal on stdout can show.

use clap::Args;

use crate::config::{Config, ImageMode};
use crate::terminal::capabilities::{Capabilities, Tmux};
use crate::terminal::colours::Colours;
use crate::terminal::detect;
use crate::terminal::protocol::{ChosenProtocol, Protocol};

#[derive(Args, Clone, Debug, Default)]
pub struct ImageArguments {
    /// How pictures are shown: auto, kitty, sixel, iterm2, halfblocks or off [default: $PENTIMENTO_IMAGES, else `images` in
    /// the settings, else what the terminal supports]
    #[arg(long, value_name = "PROTOCOL", global = true, help_heading = "Pictures")]
    pub images: Option<ImageMode>,
}

/// The protocol that the settings choose, if any.
pub fn chosen_protocol() -> Option<ChosenProtocol> {
    let images = &Config::current().images;
    let protocol = match images.value {
        ImageMode::Auto => return None,
        ImageMode::Kitty => Protocol::Kitty,
        ImageMode::Sixel => Protocol::Sixel,
        ImageMode::Iterm2 => Protocol::Iterm2,
        ImageMode::HalfBlocks => Protocol::HalfBlocks,
        ImageMode::Off => Protocol::Off,
    };
    Some(ChosenProtocol { protocol, source: images.origin.to_string() })
}

/// How commands print pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    Kitty,
    Iterm2,
    HalfBlocks,
    Off,
}

pub struct Terminal {
    pub images: Images,
    pub capabilities: Capabilities,
}

impl Terminal {
    /// Detects the terminal. This asks the terminal once and waits at most a second.
    pub fn on_stdout() -> Self {
        let capabilities = detect(chosen_protocol(), Config::current().colour.value);
        Self { images: printed(&capabilities), capabilities }
    }

    pub fn is_truecolor(&self) -> bool {
        self.capabilities.colours == Colours::True
    }
}

/// Printed pictures need no placeholders, but tmux must pass them through. viuer prints no sixels.
fn printed(capabilities: &Capabilities) -> Images {
    match capabilities.protocol {
        Protocol::Off => Images::Off,
        _ if capabilities.prints_kitty => Images::Kitty,
        Protocol::Kitty if capabilities.tmux == Tmux::Absent => Images::Kitty,
        Protocol::Iterm2 if capabilities.tmux == Tmux::Absent => Images::Iterm2,
        _ => Images::HalfBlocks,
    }
}
