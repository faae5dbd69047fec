//! The screens, one file each: what it holds, what its keys do, how it is drawn.

pub mod compose;
pub mod lineage;
pub mod queue;
pub mod references;
pub mod review;
pub mod runs;
pub mod subjects;

use std::fmt;

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Subjects,
    References,
    Compose,
    Runs,
    Review,
    Queue,
    Lineage,
}

impl Place {
    pub const ALL: [Self; 7] =
        [Self::Subjects, Self::References, Self::Compose, Self::Runs, Self::Review, Self::Queue, Self::Lineage];

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
        Self::ALL.into_iter().find(|place| place.name() == name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
