//! The ways to show pictures in a terminal.

/// A way to show pictures in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Protocol {
    /// kitty's graphics protocol with Unicode placeholders.
    Kitty,
    Sixel,
    /// iTerm2's inline images.
    Iterm2,
    /// Two pixels a cell, drawn with `▀` and colours.
    HalfBlocks,
    /// No pictures.
    Off,
}

/// A protocol that the user chose, which overrides detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenProtocol {
    pub protocol: Protocol,
    /// Where it was chosen, as in "chosen by …".
    pub source: String,
}

impl Protocol {
    /// The name that flags, variables and settings use.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether pictures are shown in pixels.
    pub fn is_sharp(self) -> bool {
        matches!(self, Self::Kitty | Self::Sixel | Self::Iterm2)
    }
}
