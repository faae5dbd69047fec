//! The names of the screens.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScreenId {
    Subjects,
    References,
    Compose,
    Runs,
    Review,
    Queue,
    Lineage,
}

impl ScreenId {
    pub const ALL: [Self; 7] =
        [Self::Subjects, Self::References, Self::Compose, Self::Runs, Self::Review, Self::Queue, Self::Lineage];

    /// The screen's name in `keymap.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subjects => "subjects",
            Self::References => "references",
            Self::Compose => "compose",
            Self::Runs => "runs",
            Self::Review => "review",
            Self::Queue => "queue",
            Self::Lineage => "lineage",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|screen| screen.name() == name)
    }

    /// Whether the screen shows one subject, so that one must be selected.
    pub fn needs_subject(self) -> bool {
        matches!(self, Self::References | Self::Compose | Self::Review | Self::Lineage)
    }
}

impl fmt::Display for ScreenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
