//! Jobs: everything that a screen changes in the project.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::service::{Service, queue, references, reviews, runs, subjects};
use crate::store::Reader;
use crate::store::references::Opinion;
use crate::store::runs::NewRun;
use crate::studio::consent::ConsentKind;
use crate::studio::ids::{OutputId, ReferenceId, RunId, SubjectId};
use crate::studio::reference::Decision;
use crate::studio::review::{Judgement, Key, Verdict};
use crate::studio::run::Run;
use crate::studio::subject::{Handle, Subject};
use crate::tui::problem::Problem;

/// Something to change.
#[derive(Clone, Debug)]
pub enum Job {
    AddSubject {
        handle: Handle,
        name: String,
    },
    SetSubjectNote(SubjectId, String),
    RecordConsent {
        subject: SubjectId,
        kind: ConsentKind,
        statement: String,
    },
    /// Checks a file and stores it as a candidate, without its camera data.
    ImportReference {
        subject: SubjectId,
        path: PathBuf,
    },
    Decide {
        reference: ReferenceId,
        decision: Decision,
        opinion: Opinion,
    },
    Withdraw(ReferenceId),
    AddPreset {
        name: String,
        run: RunId,
    },
    PromotePreset(String),
    /// Queues a run with the settings of another and new seeds; without one, of the subject's newest.
    RunAgain {
        subject: SubjectId,
        run: Option<RunId>,
    },
    /// Queues a run, unless the same run exists already.
    AddRun(Box<NewRun>),
    /// Sets or removes a reviewer's mark of a failure.
    MarkFailure {
        output: OutputId,
        reviewer: String,
        failure: Key,
        marked: bool,
    },
    Accept {
        output: OutputId,
        reviewer: String,
    },
    RejectOutput {
        output: OutputId,
        reviewer: String,
    },
    ClearVerdict {
        output: OutputId,
        reviewer: String,
    },
    AddReview {
        output: OutputId,
        judgement: Box<Judgement>,
    },
    SetDiagnosis(RunId, String),
    SetBaseline {
        output: OutputId,
        reviewer: String,
    },
    Pause,
    Resume,
    Cancel(RunId),
    Retry(RunId),
    MoveBefore(RunId, RunId),
}

/// What a job did.
#[derive(Clone, Debug)]
pub enum Finished {
    SubjectAdded(Subject),
    ReferenceAdded {
        reference: ReferenceId,
        text: String,
    },
    Queued(Box<Run>),
    /// The same run exists already.
    AlreadyQueued(Box<Run>),
    /// An output's marks, scores, note or verdict have changed.
    Reviewed,
    QueueChanged,
    PresetsChanged(String),
    /// Anything else, with a sentence that says what.
    Done(String),
}

/// Does jobs on a thread of its own.
pub struct Jobs {
    service: Service,
    reader: Reader,
}

impl Jobs {
    pub fn new(service: Service, reader: Reader) -> Self {
        Self { service, reader }
    }

    pub fn run(&self, job: Job) -> Result<Finished, Problem> {
        let (store, reader, now) = (self.service.store(), &self.reader, Timestamp::now());
        Ok(match job {
            Job::AddSubject { handle, name } => Finished::SubjectAdded(subjects::add(store, &handle, &name, "")?),
            Job::SetSubjectNote(subject, note) => {
                store.set_subject_note(subject, &note)?;
                Finished::Done("Note saved.".to_owned())
            }
            Job::RecordConsent { subject, kind, statement } => {
                subjects::record_consent(store, subject, kind, &statement, None)?;
                Finished::Done(format!("Consent recorded for {}.", reader.subject_by_id(subject)?.name))
            }
            Job::ImportReference { subject, path } => {
                let added = references::add(store, subject, &[path], None, None)?;
                match added.first() {
                    Some(reference) => Finished::ReferenceAdded {
                        reference: reference.id,
                        text: format!("Added {} as a candidate.", reference.name),
                    },
                    None => Finished::Done("No file was added.".to_owned()),
                }
            }
            Job::Decide { reference, decision, opinion } => {
                let decided = references::decide(store, reference, decision, &opinion)?;
                Finished::Done(format!("{} is {}.", decided.name, decided.state))
            }
            Job::Withdraw(reference) => Finished::Done(references::withdraw(store, reference)?.to_string()),
            Job::AddPreset { name, run } => {
                store.add_preset(&name, run, "", now)?;
                Finished::PresetsChanged(format!("Saved the preset {name}."))
            }
            Job::PromotePreset(name) => {
                store.promote_preset(&name, now)?;
                Finished::PresetsChanged(format!("{name} is a team preset now."))
            }
            Job::RunAgain { subject, run } => match runs::again(store, reader, subject, run)? {
                Some(run) => self.queued(run),
                None => Finished::Done("No run to repeat yet. Compose one first.".to_owned()),
            },
            Job::AddRun(new) => match runs::find_same(reader, &new)? {
                Some(run) => Finished::AlreadyQueued(Box::new(run)),
                None => self.queued(runs::queue(store, reader, &new)?),
            },
            Job::MarkFailure { output, reviewer, failure, marked } => {
                store.mark_failure(output, &reviewer, &failure, marked, now)?;
                Finished::Reviewed
            }
            Job::Accept { output, reviewer } => self.verdict(output, reviewer, Verdict::Accepted)?,
            Job::RejectOutput { output, reviewer } => self.verdict(output, reviewer, Verdict::Rejected)?,
            Job::ClearVerdict { output, reviewer } => {
                store.clear_verdict(output, &reviewer)?;
                Finished::Reviewed
            }
            Job::AddReview { output, judgement } => {
                reviews::record(store, output, Some(&judgement), None)?;
                Finished::Reviewed
            }
            Job::SetDiagnosis(run, diagnosis) => {
                store.set_diagnosis(run, diagnosis.trim())?;
                Finished::Done("Diagnosis saved.".to_owned())
            }
            Job::SetBaseline { output, reviewer } => {
                Finished::Done(reviews::set_baseline(store, output, &reviewer, "")?.to_string())
            }
            Job::Pause => {
                queue::pause(store, "")?;
                Finished::QueueChanged
            }
            Job::Resume => {
                queue::resume(store)?;
                self.woken()
            }
            Job::Cancel(run) => {
                queue::cancel(store, run)?;
                Finished::QueueChanged
            }
            Job::Retry(run) => {
                queue::retry(store, run)?;
                self.woken()
            }
            Job::MoveBefore(run, other) => {
                queue::move_before(store, run, other)?;
                Finished::QueueChanged
            }
        })
    }

    fn verdict(&self, output: OutputId, reviewer: String, verdict: Verdict) -> Result<Finished, Problem> {
        let judgement = Judgement { reviewer, verdict, ..Judgement::default() };
        reviews::record(self.service.store(), output, Some(&judgement), None)?;
        Ok(Finished::Reviewed)
    }

    fn queued(&self, run: Run) -> Finished {
        self.service.wake_worker();
        Finished::Queued(Box::new(run))
    }

    fn woken(&self) -> Finished {
        self.service.wake_worker();
        Finished::QueueChanged
    }
}
