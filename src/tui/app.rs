//! The state of the workbench: one value, changed by `update` alone, drawn by `view`.

use std::time::Instant;

use jiff::Timestamp;

use super::complete::PathLine;
use super::effect::Problem;
use super::event::Reviewed;
use super::keymap::Keymap;
use super::screens::{Place, compose, lineage, queue, references, review, runs, subjects};
use super::theme::Theme;
use super::widgets::input::Input;
use crate::store::presets::Preset;
use crate::studio::consent::ConsentKind;
use crate::studio::delta::Delta;
use crate::studio::ids::SubjectId;
use crate::studio::settings::Settings;
use crate::studio::subject::Handle;

#[derive(Debug)]
pub struct App {
    pub place: Place,
    /// Where `back` leads, the nearest last.
    pub trail: Vec<Place>,
    /// The subject that the screens are about.
    pub subject: Option<Chosen>,
    pub subjects: subjects::Subjects,
    pub references: references::References,
    pub compose: compose::Compose,
    pub runs: runs::Runs,
    pub review: review::Review,
    pub queue: queue::Queue,
    pub lineage: lineage::Lineage,
    /// Everything about the output that a list has under its cursor, once it is there.
    pub detail: Option<Reviewed>,
    /// What lies over the screen, the front one last.
    pub popups: Vec<Popup>,
    /// What went wrong, until it is put away, the newest last.
    pub problems: Vec<Problem>,
    /// What went right; the next key puts it away.
    pub notice: Option<String>,
    pub keymap: Keymap,
    pub theme: Theme,
    /// Whether a picture that was on the screen comes back for a few bytes.
    pub keeps_pictures: bool,
    /// When something changes without a key.
    pub alarm: Option<Instant>,
    /// In cells.
    pub size: (u16, u16),
    pub usual: Usual,
    pub now: Timestamp,
    pub leaving: bool,
}

/// What a person and a model use where nothing else is said.
#[derive(Clone, Debug)]
pub struct Usual {
    pub checkpoint: String,
    pub settings: Settings,
    pub reviewer: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub id: SubjectId,
    pub handle: Handle,
}

/// A layer over the screen that takes the keys.
#[derive(Debug)]
pub enum Popup {
    /// All keys of the screen; how far it is scrolled.
    Help(u16),
    Palette(Palette),
    /// A line of text, and what it is for.
    Ask {
        question: String,
        input: Input,
        purpose: Purpose,
    },
    /// A line of text that names a picture, and what it could become.
    Path(PathLine),
    /// What a run changed against its parent.
    Delta {
        title: String,
        delta: Delta,
    },
    /// Settings to choose from, once they are there.
    Presets {
        presets: Vec<Preset>,
        selected: usize,
    },
    /// The ground of a right, to be chosen before its statement is asked for.
    Ground(usize),
    /// Something to be confirmed with `y`.
    Confirm {
        question: String,
        purpose: Purpose,
    },
    /// A problem with everything it comes from.
    Details(Problem),
}

/// Commands found by typing.
#[derive(Debug, Default)]
pub struct Palette {
    pub input: Input,
    pub selected: usize,
}

/// What an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    Filter,
    NewSubject,
    SubjectNote,
    Right(ConsentKind),
    ReferenceNote,
    Withdraw,
    ReviewNote,
    Diagnosis,
    DebugReason,
    PresetName,
}

impl App {
    pub fn new(keymap: Keymap, theme: Theme, usual: Usual, size: (u16, u16), now: Timestamp) -> Self {
        Self {
            place: Place::Subjects,
            trail: Vec::new(),
            subject: None,
            subjects: subjects::Subjects::default(),
            references: references::References::default(),
            compose: compose::Compose::new(&usual),
            runs: runs::Runs::default(),
            review: review::Review::default(),
            queue: queue::Queue::default(),
            lineage: lineage::Lineage::default(),
            detail: None,
            popups: Vec::new(),
            problems: Vec::new(),
            notice: None,
            keymap,
            theme,
            keeps_pictures: true,
            alarm: None,
            size,
            usual,
            now,
            leaving: false,
        }
    }

    /// Whom a new right is for: the subject under the cursor, or the one that the screens are about.
    pub fn granted_subject(&self) -> Option<SubjectId> {
        match self.place {
            Place::Subjects => self.subjects.chosen().map(|line| line.subject.id),
            _ => self.subject_id(),
        }
    }

    /// The subject's id, for effects.
    pub fn subject_id(&self) -> Option<SubjectId> {
        self.subject.as_ref().map(|chosen| chosen.id)
    }
}
