//! The subject, run and output that every screen is about.
//!
//! Screens do not keep copies of these: a list finds its cursor from the selection, and moving the cursor changes it.

use crate::studio::ids::{OutputId, RunId, SubjectId};
use crate::studio::subject::Handle;

/// The one selection. The run belongs to the subject, and the output to the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    subject: Option<SelectedSubject>,
    run: Option<RunId>,
    output: Option<OutputId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedSubject {
    pub id: SubjectId,
    pub handle: Handle,
}

/// A change of the selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    Nothing,
    Subject(SelectedSubject),
    Run(SelectedSubject, RunId),
    Output(SelectedSubject, RunId, OutputId),
}

impl Selection {
    pub fn subject(&self) -> Option<&SelectedSubject> {
        self.subject.as_ref()
    }

    pub fn subject_id(&self) -> Option<SubjectId> {
        self.subject.as_ref().map(|subject| subject.id)
    }

    /// The subject's handle; empty if no subject is selected.
    pub fn handle(&self) -> &str {
        self.subject.as_ref().map_or("", |subject| subject.handle.as_str())
    }

    pub fn run(&self) -> Option<RunId> {
        self.run
    }

    pub fn output(&self) -> Option<OutputId> {
        self.output
    }

    /// Changes the selection. The parts below the changed one stay only if they still belong to it.
    pub fn select(&mut self, change: Select) {
        *self = match change {
            Select::Nothing => Self::default(),
            Select::Subject(subject) if self.subject_id() == Some(subject.id) => {
                Self { subject: Some(subject), run: self.run, output: self.output }
            }
            Select::Subject(subject) => Self { subject: Some(subject), run: None, output: None },
            Select::Run(subject, run) => {
                Self { subject: Some(subject), run: Some(run), output: self.output.filter(|_| self.run == Some(run)) }
            }
            Select::Output(subject, run, output) => {
                Self { subject: Some(subject), run: Some(run), output: Some(output) }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(id: i64, handle: &str) -> SelectedSubject {
        SelectedSubject { id: SubjectId(id), handle: handle.parse().unwrap() }
    }

    #[test]
    fn another_subject_has_neither_the_run_nor_the_output() {
        let mut selection = Selection::default();
        selection.select(Select::Output(subject(1, "ada"), RunId(7), OutputId(70)));
        selection.select(Select::Subject(subject(1, "ada")));
        assert_eq!((selection.run(), selection.output()), (Some(RunId(7)), Some(OutputId(70))));
        selection.select(Select::Subject(subject(2, "bo")));
        assert_eq!((selection.handle(), selection.run(), selection.output()), ("bo", None, None));
    }

    #[test]
    fn another_run_has_not_the_output() {
        let mut selection = Selection::default();
        selection.select(Select::Output(subject(1, "ada"), RunId(7), OutputId(70)));
        selection.select(Select::Run(subject(1, "ada"), RunId(7)));
        assert_eq!(selection.output(), Some(OutputId(70)));
        selection.select(Select::Run(subject(1, "ada"), RunId(8)));
        assert_eq!((selection.run(), selection.output()), (Some(RunId(8)), None));
    }
}
