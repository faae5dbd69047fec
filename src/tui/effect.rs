//! What `update` asks for, done off the screen's thread: reading and writing the project, opening pictures. Each effect
//! comes back as one [`Completed`].

use std::collections::VecDeque;
use std::mem::discriminant;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use jiff::Timestamp;

use super::complete;
use super::event::{Completed, Event};
use super::mail::Mail;
use crate::service::{self, Service, queue, references, reviews, runs, subjects};
use crate::store::lines::Order;
use crate::store::references::Opinion;
use crate::store::runs::NewRun;
use crate::store::{self, Reader};
use crate::studio::consent::ConsentKind;
use crate::studio::filter::Filter;
use crate::studio::ids::{OutputId, ReferenceId, RunId, SubjectId};
use crate::studio::recipe::Model;
use crate::studio::reference::{Decision, Reference};
use crate::studio::review::Judgement;
use crate::studio::run::Run;
use crate::studio::subject::Handle;
use crate::worker::gpu::GpuMonitor;

/// Something to be done elsewhere.
#[derive(Clone, Debug)]
pub enum Effect {
    LoadSubjects,
    LoadReferences(SubjectId),
    LoadOutputs {
        subject: Option<SubjectId>,
        filter: Filter,
        order: Order,
    },
    LoadReview(OutputId),
    /// The same of the output under a list's cursor.
    LoadDetail(OutputId),
    /// The same of a run's first output, if it has one.
    LoadDetailOf(RunId),
    /// Of a run's first output.
    LoadReviewOf(RunId),
    LoadQueue,
    LoadLineage(SubjectId),
    /// What a new run of a subject starts from: its newest run, or nothing.
    LoadStart {
        subject: SubjectId,
        parent: Option<RunId>,
    },
    AddSubject {
        handle: Handle,
        name: String,
    },
    SetSubjectNote(SubjectId, String),
    Decide {
        reference: ReferenceId,
        decision: Decision,
        opinion: Opinion,
    },
    Withdraw(ReferenceId),
    /// The file is opened, checked, and stored without its camera data.
    Import {
        subject: SubjectId,
        path: PathBuf,
    },
    /// A right to a subject's pictures.
    Grant {
        subject: SubjectId,
        right: ConsentKind,
        statement: String,
    },
    /// The files that a path typed so far could mean.
    Complete(String),
    /// How long the assembled prompt is for a model's text encoder.
    CountTokens {
        model: Model,
        prompt: String,
    },
    LoadPresets,
    AddPreset {
        name: String,
        run: RunId,
    },
    PromotePreset(String),
    /// A run once more with other seeds; without a run the subject's newest.
    Again {
        subject: SubjectId,
        run: Option<RunId>,
    },
    AddRun(Box<NewRun>),
    Judge {
        output: OutputId,
        judgement: Box<Judgement>,
    },
    SetDiagnosis(RunId, String),
    SetBaseline {
        output: OutputId,
        reviewer: String,
    },
    Pause(bool),
    Cancel(RunId),
    Retry(RunId),
    MoveBefore(RunId, RunId),
}

impl Effect {
    /// Whether it only reads, and a later one of its kind says all that it would.
    fn loads(&self) -> bool {
        matches!(
            self,
            Self::LoadSubjects
                | Self::LoadReferences(_)
                | Self::LoadOutputs { .. }
                | Self::LoadReview(_)
                | Self::LoadDetail(_)
                | Self::LoadDetailOf(_)
                | Self::LoadQueue
                | Self::LoadLineage(_)
                | Self::LoadPresets
                | Self::Complete(_)
                | Self::CountTokens { .. }
        )
    }
}

/// The most outputs a list shows; narrower filters find the rest.
pub const MOST_OUTPUTS: u32 = 500;
const MOST_WAITING: u32 = 200;
const MOST_STOPPED: u32 = 20;
const MOST_IN_TREE: u32 = 2000;

/// The thread that does effects, one after another.
#[derive(Debug)]
pub struct Runner {
    queue: Sender<Effect>,
}

impl Runner {
    pub fn start(service: Service, mail: Mail) -> store::Result<Self> {
        let reader = service.reader()?;
        let (queue, effects) = mpsc::channel();
        // Finding the driver may take a while, and is not waited for.
        thread::spawn(move || Work { service, reader, driver: GpuMonitor::open() }.run(&effects, &mail));
        Ok(Self { queue })
    }

    pub fn ask(&self, effect: Effect) {
        // A runner that is gone has nobody to answer to.
        let _ = self.queue.send(effect);
    }
}

/// Why something was not done: a sentence, and what it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub causes: Vec<String>,
    /// The name of the rule, if one said no.
    pub rule: Option<&'static str>,
}

impl Problem {
    pub fn new(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        Self { what: error.to_string(), causes: causes.map(ToString::to_string).collect(), rule: None }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self { rule: error.rule(), ..Self::new(&error) }
    }
}

impl From<service::Error> for Problem {
    fn from(error: service::Error) -> Self {
        Self { rule: error.rule(), ..Self::new(&error) }
    }
}

struct Work {
    service: Service,
    reader: Reader,
    driver: GpuMonitor,
}

impl Work {
    fn run(&self, effects: &Receiver<Effect>, mail: &Mail) {
        let mut asked: VecDeque<Effect> = VecDeque::new();
        while let Some(effect) = asked.pop_front().or_else(|| effects.recv().ok()) {
            asked.extend(effects.try_iter());
            // What is loaded once more right after need not be loaded now: keys may come faster than answers.
            let superseded = effect.loads() && asked.iter().any(|later| discriminant(later) == discriminant(&effect));
            let completed = match superseded {
                true => Completed::Superseded,
                false => self.perform(effect).unwrap_or_else(Completed::Failed),
            };
            if !mail.send(Event::Completed(completed)) {
                return;
            }
        }
    }

    fn perform(&self, effect: Effect) -> Result<Completed, Problem> {
        let (store, reader, now) = (self.service.store(), &self.reader, Timestamp::now());
        Ok(match effect {
            Effect::LoadSubjects => Completed::Subjects(reader.subject_lines(now)?),
            Effect::LoadReferences(subject) => Completed::References {
                subject,
                references: reader.references(subject)?,
                consents: reader.consents(subject)?,
            },
            Effect::LoadOutputs { subject, filter, order } => {
                Completed::Outputs(reader.output_lines(subject, &filter, order, MOST_OUTPUTS, now)?)
            }
            Effect::LoadReview(output) => Completed::Review(Box::new(reviews::details(reader, output)?)),
            Effect::LoadDetailOf(run) => match reader.outputs(run)?.first() {
                Some(output) => Completed::Detail(Box::new(reviews::details(reader, output.id)?)),
                None => Completed::Superseded,
            },
            Effect::LoadDetail(output) => Completed::Detail(Box::new(reviews::details(reader, output)?)),
            Effect::LoadReviewOf(run) => match reader.outputs(run)?.first() {
                Some(output) => Completed::Review(Box::new(reviews::details(reader, output.id)?)),
                None => Completed::Done(format!("{} has no picture yet.", reader.run_by_id(run)?.task)),
            },
            Effect::LoadQueue => self.queue()?,
            Effect::LoadLineage(subject) => {
                let mut runs = reader.runs(subject, None, MOST_IN_TREE)?;
                runs.reverse();
                Completed::Lineage { subject, runs }
            }
            Effect::LoadStart { subject, parent } => {
                let runs::Start { subject, references, parent } = runs::start(reader, subject, parent)?;
                Completed::Start { subject, references, parent: parent.map(Box::new) }
            }
            Effect::AddSubject { handle, name } => {
                subjects::add(store, &handle, &name, "")?;
                Completed::Done(format!("{handle} is there. Next: a right to its pictures, and a reference."))
            }
            Effect::SetSubjectNote(subject, note) => {
                store.set_subject_note(subject, &note)?;
                Completed::Done("The note is kept.".to_owned())
            }
            Effect::Decide { reference, decision, opinion } => {
                let Reference { name, state, .. } = references::decide(store, reference, decision, &opinion)?;
                Completed::Done(format!("{name} is {state}."))
            }
            Effect::Withdraw(reference) => Completed::Done(references::withdraw(store, reference)?.to_string()),
            Effect::Import { subject, path } => {
                let added = references::add(store, subject, &[path], None, None)?;
                let names: Vec<String> = added.iter().map(|reference| reference.name.to_string()).collect();
                Completed::Done(format!("{} is a candidate.", names.join(", ")))
            }
            Effect::Grant { subject, right, statement } => {
                subjects::record_consent(store, subject, right, &statement, None)?;
                Completed::Done(format!("The right is kept: {right}."))
            }
            Effect::Complete(typed) => Completed::Paths { found: complete::paths(&typed), typed },
            Effect::CountTokens { model, prompt } => {
                let count = self.service.tokens().count(&model, &prompt).map_err(service::Error::from)?;
                Completed::Tokens { count, prompt }
            }
            Effect::LoadPresets => Completed::Presets(reader.presets()?),
            Effect::AddPreset { name, run } => {
                store.add_preset(&name, run, "", now)?;
                Completed::Done(format!("{name} is a preset on trial."))
            }
            Effect::PromotePreset(name) => {
                store.promote_preset(&name, now)?;
                Completed::Done(format!("{name} is the team's now."))
            }
            Effect::Again { subject, run } => match runs::again(store, reader, subject, run)? {
                Some(run) => self.queued(run),
                None => Completed::Done("There is no run to make more of yet; compose one.".to_owned()),
            },
            Effect::AddRun(new) => self.queued(runs::queue(store, reader, &new)?),
            Effect::Judge { output, judgement } => {
                reviews::record(store, output, Some(&judgement), None)?;
                Completed::Judged(output)
            }
            Effect::SetDiagnosis(run, diagnosis) => {
                store.set_diagnosis(run, &diagnosis)?;
                Completed::Done("The diagnosis is kept with the run.".to_owned())
            }
            Effect::SetBaseline { output, reviewer } => {
                reviews::set_baseline(store, output, &reviewer, "")?;
                Completed::Done("It is the baseline now; further runs are held against it.".to_owned())
            }
            Effect::Pause(true) => {
                queue::pause(store, "")?;
                self.queue()?
            }
            Effect::Pause(false) => {
                queue::resume(store)?;
                self.service.wake_worker();
                self.queue()?
            }
            Effect::Cancel(run) => {
                queue::cancel(store, run)?;
                self.queue()?
            }
            Effect::Retry(run) => {
                queue::retry(store, run)?;
                self.service.wake_worker();
                self.queue()?
            }
            Effect::MoveBefore(run, other) => {
                queue::move_before(store, run, other)?;
                self.queue()?
            }
        })
    }

    fn queued(&self, run: Run) -> Completed {
        self.service.wake_worker();
        Completed::Queued(Box::new(run))
    }

    fn queue(&self) -> Result<Completed, Problem> {
        let queue::Queue { runs, previews, paused } = queue::load(&self.reader, MOST_WAITING, MOST_STOPPED)?;
        let paused = paused.map(|pause| pause.to_string());
        Ok(Completed::Queue { runs, previews, paused, card: self.driver.status() })
    }
}
