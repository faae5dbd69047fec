//! The rules of the workbench, and what it says when one is broken. The command line then exits with status 3.

use jiff::Timestamp;

use super::reference::{Decision, ReferenceState};
use super::review::Key;
use super::state::RunState;
use super::subject::{Handle, ReferenceName, TaskId};
use super::variable::Variable;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no consent is recorded for {subject}: record why its pictures may be used")]
    NoRightRecorded { subject: Handle },

    #[error(
        "the consent for {reference} {}: record a valid one, then add the picture again",
        invalidity(*.ended, *.begins)
    )]
    NoRightInForce { reference: ReferenceName, ended: Option<Timestamp>, begins: Option<Timestamp> },

    #[error("the consent for {reference} was withdrawn on {}: choose another reference", day(*.at))]
    WithdrawnConsent { reference: ReferenceName, at: Timestamp },

    #[error("{reference} is {state}, and runs use approved references only: {}", remedy(*.state))]
    UnapprovedReference { reference: ReferenceName, state: ReferenceState },

    #[error("{reference} does not belong to {subject}: choose one of {subject}'s references")]
    OtherSubjectsReference { reference: ReferenceName, subject: Handle },

    #[error("{parent} does not belong to {subject}: choose one of {subject}'s runs as the parent")]
    OtherSubjectsRun { parent: TaskId, subject: Handle },

    #[error(
        "{} variables changed ({}), so you cannot tell which one mattered: undo all but one, or say why you change \
         several",
        .changed.len(), list(.changed)
    )]
    TwoVariables { changed: Vec<Variable> },

    #[error("nothing changed compared with the parent: change one variable, or add seeds")]
    NothingChanged,

    #[error("cannot {decision} {reference}: it is {state}")]
    ReferenceState { reference: ReferenceName, state: ReferenceState, decision: Decision },

    #[error("the quality gate rejects {reference}: replace the picture, or give a reason to approve it anyway")]
    QualityGate { reference: ReferenceName },

    /// `allowed` says which runs the action is for: "only a draft can be queued".
    #[error("{task} is {state}: {allowed}")]
    RunState { task: TaskId, state: RunState, allowed: &'static str },

    #[error("the output is not accepted: accept it before you make it the baseline")]
    NotAccepted,

    #[error("the output has no score for {}: score every criterion before you make it the baseline", keys(.missing))]
    RubricIncomplete { missing: Vec<Key> },

    #[error("the output scores too low for a baseline ({}): choose a better one", keys(.criteria))]
    RubricTooLow { criteria: Vec<Key> },

    #[error(
        "the preset has {outputs} of {needed_outputs} accepted outputs in {runs} of {needed_runs} runs: use it in more \
         runs before you promote it"
    )]
    UnprovenPreset { runs: u32, needed_runs: u32, outputs: u32, needed_outputs: u32 },
}

impl Refusal {
    /// The rule's name, which scripts may rely on.
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

    /// The options of the command line that satisfy the rule.
    pub fn options(&self) -> Option<&'static str> {
        match self {
            Self::NoRightRecorded { .. } => Some("--rights KIND --statement TEXT"),
            Self::TwoVariables { .. } => Some("--debug REASON"),
            Self::QualityGate { .. } => Some("--overrule REASON"),
            _ => None,
        }
    }
}

fn invalidity(ended: Option<Timestamp>, begins: Option<Timestamp>) -> String {
    match (ended, begins) {
        (Some(ended), _) => format!("expired on {}", day(ended)),
        (None, Some(begins)) => format!("starts on {}", day(begins)),
        (None, None) => "is not valid".to_owned(),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn remedy(state: ReferenceState) -> &'static str {
    match state {
        ReferenceState::Candidate => "review and approve it first",
        ReferenceState::Approved => "renew its consent",
        ReferenceState::Rejected | ReferenceState::Retired => "choose an approved one, or approve it again",
        ReferenceState::Withdrawn => "choose another one",
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
    fn a_refusal_says_what_is_wrong_and_what_to_do() {
        let refusal =
            Refusal::TwoVariables { changed: ["style", "adapter-weight"].map(|name| name.parse().unwrap()).into() };
        assert_eq!((refusal.rule(), refusal.options()), ("two-variables", Some("--debug REASON")));
        assert_eq!(
            refusal.to_string(),
            "2 variables changed (style, adapter-weight), so you cannot tell which one mattered: undo all but one, or \
             say why you change several"
        );
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let refusal = Refusal::WithdrawnConsent { reference: "ada-r3".parse().unwrap(), at };
        assert_eq!(refusal.to_string(), "the consent for ada-r3 was withdrawn on 2023-11-14: choose another reference");
    }
}
