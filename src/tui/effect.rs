//! What `update` asks for, done off the screen's thread: reading and writing the project, opening pictures. Each effect
//! comes back as one [`Completed`].

use std::collections::VecDeque;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use jiff::Timestamp;

use super::complete;
use super::event::{Completed, Event};
use super::mail::Mail;
use super::pictures::Preview;
use crate::store::lines::Order;
use crate::store::references::Opinion;
use crate::store::runs::NewRun;
use crate::store::{self, Reader, Store};
use crate::studio::consent::{Grant, Right};
use crate::studio::filter::Filter;
use crate::studio::ids::{OutputId, ReferenceId, RunId, SubjectId};
use crate::studio::queue::PauseReason;
use crate::studio::reference::Decision;
use crate::studio::review::{Judgement, Rubric};
use crate::studio::run::{Model, Run};
use crate::studio::subject::Handle;
use crate::worker::device::Driver;

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
        right: Right,
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
    pub fn start(store: Arc<Store>, mail: Mail, others: Others) -> store::Result<Self> {
        let reader = store.reader()?;
        let (queue, effects) = mpsc::channel();
        // Finding the driver may take a while, and is not waited for.
        thread::spawn(move || Work { store, reader, others, driver: Driver::open() }.run(&effects, &mail));
        Ok(Self { queue })
    }

    pub fn ask(&self, effect: Effect) {
        // A runner that is gone has nobody to answer to.
        let _ = self.queue.send(effect);
    }
}

/// What parts of the program do that the screen does not know.
pub struct Others {
    /// Opens a file as a candidate for a subject, and stores it.
    pub import: Import,
    /// Tokens of a prompt, and how many a model's text encoder reads at once.
    pub tokens: Count,
    /// Tells the worker that the queue has something new.
    pub wake: Box<dyn Fn() + Send>,
}

pub type Import = Box<dyn Fn(&Store, SubjectId, &Path) -> Result<String, Problem> + Send>;
pub type Count = Box<dyn Fn(&Model, &str) -> Result<Tokens, Problem> + Send>;

/// How much of a text encoder's room a prompt takes; start and end count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub used: usize,
    pub room: usize,
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

struct Work {
    store: Arc<Store>,
    reader: Reader,
    others: Others,
    driver: Driver,
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
        let (store, reader, now) = (&self.store, &self.reader, Timestamp::now());
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
            Effect::LoadReview(output) => Completed::Review(Box::new(self.review(output)?)),
            Effect::LoadDetailOf(run) => match reader.outputs(run)?.first() {
                Some(output) => Completed::Detail(Box::new(self.review(output.id)?)),
                None => Completed::Superseded,
            },
            Effect::LoadDetail(output) => Completed::Detail(Box::new(self.review(output)?)),
            Effect::LoadReviewOf(run) => match reader.outputs(run)?.first() {
                Some(output) => Completed::Review(Box::new(self.review(output.id)?)),
                None => Completed::Done(format!("{} has no picture yet.", reader.run_by_id(run)?.task)),
            },
            Effect::LoadQueue => self.queue()?,
            Effect::LoadLineage(subject) => {
                let mut runs = reader.runs(subject, None, MOST_IN_TREE)?;
                runs.reverse();
                Completed::Lineage { subject, runs }
            }
            Effect::LoadStart { subject, parent } => {
                let parent = self.run_or_newest(subject, parent)?;
                Completed::Start {
                    subject: reader.subject_by_id(subject)?,
                    references: reader.references(subject)?,
                    parent: parent.map(Box::new),
                }
            }
            Effect::AddSubject { handle, name } => {
                store.add_subject(&handle, &name, "", now)?;
                Completed::Done(format!("{handle} is there. Next: a right to its pictures, and a reference."))
            }
            Effect::SetSubjectNote(subject, note) => {
                store.set_subject_note(subject, &note)?;
                Completed::Done("The note is kept.".to_owned())
            }
            Effect::Decide { reference, decision, opinion } => {
                let state = store.decide(reference, decision, &opinion, now)?;
                let name = reader.reference_by_id(reference)?.name;
                Completed::Done(format!("{name} is {state}."))
            }
            Effect::Withdraw(reference) => {
                let name = reader.reference_by_id(reference)?.name;
                store.withdraw_reference(reference, now)?;
                Completed::Done(format!("{name} is withdrawn; its picture is gone."))
            }
            Effect::Import { subject, path } => Completed::Done((self.others.import)(store, subject, &path)?),
            Effect::Grant { subject, right, statement } => {
                let grant = Grant::new(right, &statement, now, None).map_err(|error| Problem::new(&error))?;
                store.add_consent(subject, &grant)?;
                Completed::Done(format!("The right is kept: {right}."))
            }
            Effect::Complete(typed) => Completed::Paths { found: complete::paths(&typed), typed },
            Effect::CountTokens { model, prompt } => {
                Completed::Tokens { count: (self.others.tokens)(&model, &prompt)?, prompt }
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
            Effect::Again { subject, run } => match self.run_or_newest(subject, run)? {
                Some(run) => self.queued(&NewRun {
                    parent: Some(run.id),
                    profile: run.profile.clone(),
                    ..NewRun::new(subject, run.recipe, run.seeds.following())
                })?,
                None => Completed::Done("There is no run to make more of yet; compose one.".to_owned()),
            },
            Effect::AddRun(new) => self.queued(&new)?,
            Effect::Judge { output, judgement } => {
                store.add_review(output, &judgement, now)?;
                Completed::Judged(output)
            }
            Effect::SetDiagnosis(run, diagnosis) => {
                store.set_diagnosis(run, &diagnosis)?;
                Completed::Done("The diagnosis is kept with the run.".to_owned())
            }
            Effect::SetBaseline { output, reviewer } => {
                store.set_baseline(output, Rubric::embedded(), &reviewer, "", now)?;
                Completed::Done("It is the baseline now; further runs are held against it.".to_owned())
            }
            Effect::Pause(true) => {
                store.pause(PauseReason::User, "", now)?;
                self.queue()?
            }
            Effect::Pause(false) => {
                store.resume()?;
                (self.others.wake)();
                self.queue()?
            }
            Effect::Cancel(run) => {
                store.cancel(run, now)?;
                self.queue()?
            }
            Effect::Retry(run) => {
                store.requeue(run, now)?;
                (self.others.wake)();
                self.queue()?
            }
            Effect::MoveBefore(run, other) => {
                store.move_before(run, other)?;
                self.queue()?
            }
        })
    }

    fn queued(&self, new: &NewRun) -> Result<Completed, Problem> {
        let run = self.store.add_run(new, Timestamp::now())?;
        (self.others.wake)();
        Ok(Completed::Queued(Box::new(self.reader.run_by_id(run)?)))
    }

    fn run_or_newest(&self, subject: SubjectId, run: Option<RunId>) -> Result<Option<Run>, Problem> {
        Ok(match run {
            Some(run) => Some(self.reader.run_by_id(run)?),
            None => self.reader.runs(subject, None, 1)?.pop().map(|line| line.run),
        })
    }

    fn queue(&self) -> Result<Completed, Problem> {
        let reader = &self.reader;
        let mut runs = reader.queue(MOST_WAITING)?;
        let mut previews = Vec::new();
        for run in runs.iter().filter(|run| run.progress.owner.is_some()) {
            let preview = reader.preview(run.id)?;
            previews.extend(preview.map(|(step, png)| Preview { run: run.id, step, png: png.into() }));
        }
        runs.extend(reader.stopped(MOST_STOPPED)?);
        Ok(Completed::Queue {
            runs,
            previews,
            paused: reader.paused()?.map(|pause| pause.to_string()),
            card: self.driver.card(),
        })
    }

    fn review(&self, output: OutputId) -> Result<super::event::Reviewed, Problem> {
        let reader = &self.reader;
        let output = reader.output(output)?;
        let run = reader.run_by_id(output.run)?;
        let parent = run.parent.map(|parent| reader.outputs(parent)).transpose()?.unwrap_or_default();
        let same_seed = parent.iter().find(|other| other.seed == output.seed).or(parent.first()).cloned();
        let parent_task = run.parent.map(|parent| Ok::<_, Problem>(reader.run_by_id(parent)?.task)).transpose()?;
        let baseline = reader.baseline(run.subject)?;
        let baseline = baseline.map(|baseline| reader.output(baseline.output)).transpose()?;
        let references = reader.references(run.subject)?;
        let reviews = reader.reviews(output.id)?;
        let scores = reader.scores(output.id)?;
        let parent = same_seed;
        Ok(super::event::Reviewed { output, run, parent, parent_task, baseline, references, reviews, scores })
    }
}
