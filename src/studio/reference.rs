//! Reference pictures and the road from candidate to approved.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use super::ids::{ConsentId, ReferenceId, SubjectId};
use super::subject::ReferenceName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Added, and looked at by nobody.
    Candidate,
    /// The only state in which runs may use it.
    Approved,
    Rejected,
    /// Was approved, and has been replaced; its runs stay.
    Retired,
    /// The right to it is gone, and so are the picture and all that came of it; only the number is left.
    Withdrawn,
}

/// What a person decides about a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    Approve,
    Reject,
    Retire,
    Withdraw,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Candidate, Self::Approved, Self::Rejected, Self::Retired, Self::Withdrawn];

    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state after a decision; None where the decision is not one that this state allows.
    pub fn after(self, decision: Decision) -> Option<Self> {
        match (self, decision) {
            (Self::Candidate | Self::Rejected | Self::Retired, Decision::Approve) => Some(Self::Approved),
            (Self::Candidate, Decision::Reject) => Some(Self::Rejected),
            (Self::Approved, Decision::Retire) => Some(Self::Retired),
            (Self::Candidate | Self::Approved | Self::Rejected | Self::Retired, Decision::Withdraw) => {
                Some(Self::Withdrawn)
            }
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Decision {
    pub const ALL: [Self; 4] = [Self::Approve, Self::Reject, Self::Retire, Self::Withdraw];

    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Retire => "retire",
            Self::Withdraw => "withdraw",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the quality gate says of a picture, its worst criterion counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gate {
    #[default]
    Unmeasured,
    Pass,
    Warn,
    Reject,
}

impl Gate {
    pub const ALL: [Self; 4] = [Self::Unmeasured, Self::Pass, Self::Warn, Self::Reject];

    pub fn name(self) -> &'static str {
        match self {
            Self::Unmeasured => "unmeasured",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gate| gate.name() == name)
    }
}

/// A picture of a subject that runs may be conditioned on once it is approved.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub id: ReferenceId,
    pub uuid: Uuid,
    pub name: ReferenceName,
    pub subject: SubjectId,
    pub consent: ConsentId,
    /// What the file was called, or what a person calls it.
    pub label: String,
    pub state: State,
    /// None once it is withdrawn.
    pub picture: Option<Picture>,
    pub gate: Gate,
    /// The quality report as the gate wrote it.
    pub report: Option<serde_json::Value>,
    /// The reason to approve it against the gate.
    pub overruled: Option<String>,
    pub note: String,
    pub reviewer: Option<String>,
    pub added: Timestamp,
    pub reviewed: Option<Timestamp>,
}

/// A stored picture: its blob's BLAKE3 hash and its size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub blob: blake3::Hash,
    pub thumbnail: Option<blake3::Hash>,
    pub width: u32,
    pub height: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_that_is_allowed_and_no_other() {
        let mut allowed = Vec::new();
        for state in State::ALL {
            for decision in Decision::ALL {
                if let Some(next) = state.after(decision) {
                    allowed.push(format!("{state} {decision} {next}"));
                }
            }
        }
        assert_eq!(
            allowed,
            [
                "candidate approve approved",
                "candidate reject rejected",
                "candidate withdraw withdrawn",
                "approved retire retired",
                "approved withdraw withdrawn",
                "rejected approve approved",
                "rejected withdraw withdrawn",
                "retired approve approved",
                "retired withdraw withdrawn",
            ]
        );
    }
}
