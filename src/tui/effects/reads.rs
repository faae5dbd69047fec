//! Reads: everything that a screen loads from the project or the disk. Reads change nothing.

use jiff::Timestamp;

use super::paths;
use crate::service::models::TokenCount;
use crate::service::reviews::Details;
use crate::service::{Service, queue, reviews, runs};
use crate::store::lines::{OutputLine, SubjectLine};
use crate::store::presets::Preset;
use crate::store::runs::RunLine;
use crate::store::{self, Reader};
use crate::studio::consent::Consent;
use crate::studio::ids::{OutputId, RunId, SubjectId};
use crate::studio::recipe::Model;
use crate::studio::reference::Reference;
use crate::tui::problem::Problem;
use crate::tui::query::Query;
use crate::tui::screen_id::ScreenId;
use crate::worker::gpu::{GpuMonitor, GpuStatus};

/// Something to load.
#[derive(Clone, Debug)]
pub enum Read {
    Subjects,
    References(SubjectId),
    /// A list of outputs for a screen.
    Outputs {
        screen: ScreenId,
        query: Box<Query>,
    },
    /// The facts about an output.
    Details(OutputId),
    /// The facts about a run's first output.
    FirstDetails(RunId),
    Queue,
    /// A subject's runs.
    Lineage(SubjectId),
    /// What a new draft starts from: a run, or without one the subject's newest.
    Start {
        subject: SubjectId,
        parent: Option<RunId>,
    },
    /// The files and folders that an unfinished path can become.
    Paths(String),
    /// The length of a prompt in a model's tokens.
    Tokens {
        model: Model,
        prompt: String,
    },
    Presets,
}

/// What a read brought.
#[derive(Clone, Debug)]
pub enum Loaded {
    Subjects(Vec<SubjectLine>),
    References {
        subject: SubjectId,
        references: Vec<Reference>,
        consents: Vec<Consent>,
    },
    Outputs {
        screen: ScreenId,
        query: Box<Query>,
        lines: Vec<OutputLine>,
    },
    Details(Box<Details>),
    /// The run has no output yet.
    NoDetails(RunId),
    Queue {
        queue: queue::Queue,
        /// The graphics card, if there is one.
        card: Option<GpuStatus>,
    },
    /// A subject's runs, oldest first.
    Lineage {
        subject: SubjectId,
        runs: Vec<RunLine>,
    },
    Start {
        start: Box<runs::Start>,
        /// Whether a draft is wanted from this very parent; otherwise the parent is the newest run.
        is_branch: bool,
    },
    Paths {
        typed: String,
        found: Vec<String>,
    },
    Tokens {
        prompt: String,
        count: TokenCount,
    },
    Presets(Vec<Preset>),
}

/// Lists show at most so many outputs; narrower filters find the others.
pub const MAX_OUTPUTS: u32 = 500;
const MAX_QUEUED: u32 = 200;
const MAX_STOPPED: u32 = 20;
const MAX_LINEAGE: u32 = 2000;

impl Read {
    /// Whether `newer` brings everything that this read would, so that this one can be skipped.
    pub fn is_replaced_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (Self::Outputs { screen, .. }, Self::Outputs { screen: other, .. }) => screen == other,
            (Self::Start { .. }, _) => false,
            _ => std::mem::discriminant(self) == std::mem::discriminant(newer),
        }
    }
}

/// Answers reads on a thread of its own.
pub struct Reads {
    service: Service,
    reader: Reader,
    gpu: GpuMonitor,
}

impl Reads {
    /// Looks for the graphics card's driver, which takes a while.
    pub fn new(service: Service, reader: Reader) -> Self {
        Self { service, reader, gpu: GpuMonitor::open() }
    }

    pub fn read(&self, read: Read) -> Result<Loaded, Problem> {
        let (reader, now) = (&self.reader, Timestamp::now());
        Ok(match read {
            Read::Subjects => Loaded::Subjects(reader.subject_lines(now)?),
            Read::References(subject) => Loaded::References {
                subject,
                references: reader.references(subject)?,
                consents: reader.consents(subject)?,
            },
            Read::Outputs { screen, query } => {
                let lines = reader.output_lines(query.scope, &query.filter, query.order, MAX_OUTPUTS, now)?;
                Loaded::Outputs { screen, query, lines }
            }
            Read::Details(output) => Loaded::Details(Box::new(reviews::details(reader, output)?)),
            Read::FirstDetails(run) => match reader.outputs(run)?.first() {
                Some(output) => Loaded::Details(Box::new(reviews::details(reader, output.id)?)),
                None => Loaded::NoDetails(run),
            },
            Read::Queue => {
                Loaded::Queue { queue: queue::load(reader, MAX_QUEUED, MAX_STOPPED)?, card: self.gpu.status() }
            }
            Read::Lineage(subject) => Loaded::Lineage { subject, runs: lineage(reader, subject)? },
            Read::Start { subject, parent } => {
                Loaded::Start { start: Box::new(runs::start(reader, subject, parent)?), is_branch: parent.is_some() }
            }
            Read::Paths(typed) => Loaded::Paths { found: paths::complete(&typed), typed },
            Read::Tokens { model, prompt } => {
                let count = self.service.tokens().count(&model, &prompt);
                Loaded::Tokens { count: count.map_err(|error| Problem::new(&error))?, prompt }
            }
            Read::Presets => Loaded::Presets(reader.presets()?),
        })
    }
}

fn lineage(reader: &Reader, subject: SubjectId) -> store::Result<Vec<RunLine>> {
    let mut runs = reader.runs(subject, None, MAX_LINEAGE)?;
    runs.reverse();
    Ok(runs)
}
