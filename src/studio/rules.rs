//! What the workbench refuses to do, each refusal with the name of its rule and a sentence. The command line leaves
//! with status 3 on them.

use jiff::Timestamp;

use super::delta::Variable;
use super::reference::{Decision, State as ReferenceState};
use super::review::Key;
use super::run::State as RunState;
use super::subject::{Handle, ReferenceName, TaskId};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "no right to use pictures of {subject} is recorded; say on what ground with --rights KIND --statement TEXT"
    )]
    NoRightRecorded { subject: Handle },

    #[error(
        "the right to use {reference} {}; record one that is in force, and add the picture under it",
        lapse(*.ended, *.begins)
    )]
    NoRightInForce { reference: ReferenceName, ended: Option<Timestamp>, begins: Option<Timestamp> },

    #[error("the right to use {reference} was withdrawn on {}; it cannot be used any more", day(*.at))]
    WithdrawnConsent { reference: ReferenceName, at: Timestamp },

    #[error("{reference} is {state}, and only an approved reference can be used by a run; {}", way_on(*.state))]
    UnapprovedReference { reference: ReferenceName, state: ReferenceState },

    #[error("{reference} is a reference of another subject than {subject}; a run uses its own subject's references")]
    OtherSubjectsReference { reference: ReferenceName, subject: Handle },

    #[error("{parent} is a run of another subject than {subject}; a parent belongs to the same subject")]
    OtherSubjectsRun { parent: TaskId, subject: Handle },

    #[error(
        "{} variables would change at once ({}), and then nobody knows which one made the difference; change one, or \
         give a reason with --debug REASON",
        .changed.len(), list(.changed)
    )]
    TwoVariables { changed: Vec<Variable> },

    #[error(
        "nothing would change against the parent, neither a variable nor a seed; change one variable, or add seeds"
    )]
    NothingChanged,

    #[error("{reference} is {state}: there is nothing to {decision}")]
    ReferenceState { reference: ReferenceName, state: ReferenceState, decision: Decision },

    #[error(
        "the quality gate rejects {reference}; replace the picture, or approve it against the gate with a reason, \
         which is kept"
    )]
    QualityGate { reference: ReferenceName },

    #[error("{task} is {state}, and {wish}")]
    RunState { task: TaskId, state: RunState, wish: &'static str },

    #[error("the output is not accepted yet; review it and accept it before it becomes a baseline")]
    NotAccepted,

    #[error("the output has no score yet for {}; score every criterion before it becomes a baseline", keys(.missing))]
    RubricIncomplete { missing: Vec<Key> },

    #[error(
        "the output scores too low for a baseline on {}; choose a better picture, or go on from its run until there is one",
        keys(.criteria)
    )]
    RubricTooLow { criteria: Vec<Key> },

    #[error(
        "the settings have held up in {runs} of the {needed_runs} runs and {outputs} of the {needed_outputs} accepted \
         outputs that a team preset needs; try them further first"
    )]
    UnprovenPreset { runs: u32, needed_runs: u32, outputs: u32, needed_outputs: u32 },
}

impl Refusal {
    /// The rule's name, for scripts. Names stay.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NoRightRecorded { .. } => "no-right-recorded",
            Self::NoRightInForce { .. } => "no-right-in-force",
            Self::WithdrawnConsent { .. } => "withdrawn-consent",
            Self::UnapprovedReference { .. } => "unapproved-reference",
            Self::OtherSubjectsReference { .. } => "other-subjects-reference",
            Self::OtherSubjectsRun { .. } => "other-subjects-run",
            Self::TwoVariables { .. } => "two-variables",
            Self::NothingChanged => "nothing-changed",
            Self::ReferenceState { .. } => "reference-state",
            Self::QualityGate { .. } => "quality-gate",
            Self::RunState { .. } => "run-state",
            Self::NotAccepted => "not-accepted",
            Self::RubricIncomplete { .. } => "rubric-incomplete",
            Self::RubricTooLow { .. } => "rubric-too-low",
            Self::UnprovenPreset { .. } => "unproven-preset",
        }
    }
}

fn lapse(ended: Option<Timestamp>, begins: Option<Timestamp>) -> String {
    match (ended, begins) {
        (Some(ended), _) => format!("ended on {}", day(ended)),
        (None, Some(begins)) => format!("begins only on {}", day(begins)),
        (None, None) => "is not in force".to_owned(),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn way_on(state: ReferenceState) -> &'static str {
    match state {
        ReferenceState::Candidate => "look at it and approve it first",
        ReferenceState::Approved => "its right must be in force",
        ReferenceState::Rejected | ReferenceState::Retired => "choose an approved one, or approve it again",
        ReferenceState::Withdrawn => "choose another",
    }
}

fn list(variables: &[Variable]) -> String {
    variables.iter().map(|variable| variable.name()).collect::<Vec<_>>().join(", ")
}

fn keys(keys: &[Key]) -> String {
    keys.iter().map(Key::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_and_what_to_do() {
        let refusal = Refusal::TwoVariables { changed: vec![Variable::Style, Variable::AdapterWeight] };
        assert_eq!(refusal.rule(), "two-variables");
        assert_eq!(
            refusal.to_string(),
            "2 variables would change at once (style, adapter-weight), and then nobody knows which one made the \
             difference; change one, or give a reason with --debug REASON"
        );
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let refusal = Refusal::WithdrawnConsent { reference: "ada-r3".parse().unwrap(), at };
        assert_eq!(
            refusal.to_string(),
            "the right to use ada-r3 was withdrawn on 2023-11-14; it cannot be used any more"
        );
    }
}
