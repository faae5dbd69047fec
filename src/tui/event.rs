//! What reaches the screen: keys, and what effects brought back.

use std::sync::Arc;

use image::RgbImage;

use crate::store::lines::{OutputLine, SubjectLine};
use crate::store::presets::Preset;
use crate::store::runs::RunLine;
use crate::studio::consent::Consent;
use crate::studio::ids::{OutputId, SubjectId};
use crate::studio::reference::Reference;
use crate::studio::run::Run;
use crate::studio::subject::Subject;

use super::effect::Problem;
use super::pictures::{Preview, Shown};
use crate::service::models::TokenCount;
pub use crate::service::reviews::Details as Reviewed;
use crate::worker::gpu::GpuStatus;

#[derive(Clone, Debug)]
pub enum Event {
    Key(crokey::KeyCombination),
    /// Text that was pasted; it counts in text fields only.
    Paste(String),
    /// Draw everything anew: the terminal may have lost what it showed.
    Redraw,
    /// Somebody wrote to the project.
    Changed,
    /// The time that the state asked to be woken at has come.
    Alarm,
    Completed(Completed),
    /// A picture was opened, or the reason why it cannot be.
    Picture(Shown, Result<Arc<RgbImage>, String>),
    /// The theme or the keymap was edited.
    Theme(Box<super::theme::Theme>),
    Notice(String),
}

/// What an effect brought back.
#[derive(Clone, Debug)]
pub enum Completed {
    Subjects(Vec<SubjectLine>),
    References {
        subject: SubjectId,
        references: Vec<Reference>,
        consents: Vec<Consent>,
    },
    Outputs(Vec<OutputLine>),
    Review(Box<Reviewed>),
    Detail(Box<Reviewed>),
    Queue {
        runs: Vec<Run>,
        previews: Vec<Preview>,
        paused: Option<String>,
        card: Option<GpuStatus>,
    },
    /// A subject's runs, oldest first.
    Lineage {
        subject: SubjectId,
        runs: Vec<RunLine>,
    },
    Start {
        subject: Subject,
        references: Vec<Reference>,
        parent: Option<Box<Run>>,
    },
    Queued(Box<Run>),
    Judged(OutputId),
    /// What a path typed so far could mean.
    Paths {
        typed: String,
        found: Vec<String>,
    },
    Tokens {
        prompt: String,
        count: TokenCount,
    },
    Presets(Vec<Preset>),
    /// A later effect of its kind brings what this one would.
    Superseded,
    Done(String),
    Failed(Problem),
}
