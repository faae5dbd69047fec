//! Reference pictures, and their way from candidate to approved.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::ids::{ConsentId, ReferenceId, SubjectId};
use super::names::named;
use super::subject::ReferenceName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ReferenceState {
    /// Added, and not reviewed yet.
    Candidate,
    /// Reviewed; the only state in which runs may use it.
    Approved,
    Rejected,
    /// Was approved and is replaced; runs that used it stay.
    Retired,
    /// Consent was withdrawn: the picture and every output made with it are deleted, and only the number is left.
    Withdrawn,
}

/// What a reviewer decides about a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Decision {
    Approve,
    Reject,
    Retire,
    Withdraw,
}

/// The verdict of the quality gate: that of the worst criterion.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Gate {
    #[default]
    Unmeasured,
    Pass,
    Warn,
    Reject,
}

named!(ReferenceState, Decision, Gate);

impl ReferenceState {
    /// The state after a decision; `None` if this state does not allow it.
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

/// A picture of a subject that runs may use once it is approved.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub id: ReferenceId,
    pub uuid: Uuid,
    pub name: ReferenceName,
    pub subject: SubjectId,
    pub consent: ConsentId,
    /// The file's name, or what a person calls it.
    pub label: String,
    pub state: ReferenceState,
    /// `None` once the reference is withdrawn.
    pub picture: Option<Picture>,
    pub gate: Gate,
    pub report: Option<GateReport>,
    /// Why it was approved although the gate rejects it.
    pub overruled: Option<String>,
    pub note: String,
    pub reviewer: Option<String>,
    pub added: Timestamp,
    pub reviewed: Option<Timestamp>,
}

/// The reference that a new run uses unless another is named: the approved one that was added last.
pub fn newest_approved(references: &[Reference]) -> Option<&Reference> {
    newest(references, ReferenceState::Approved)
}

/// The reference in this state that was added last.
pub fn newest(references: &[Reference], state: ReferenceState) -> Option<&Reference> {
    references.iter().filter(|reference| reference.state == state).max_by_key(|reference| reference.name.number)
}

/// The quality gate's report on a reference.
///
/// Nothing writes reports yet. The JSON stays as it is, so that reports of a newer version survive import, export and
/// migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateReport(pub serde_json::Value);

/// A stored picture: the BLAKE3 hashes of its files, and its size in pixels.
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
    fn only_these_decisions_are_allowed() {
        let mut allowed = Vec::new();
        for state in ReferenceState::ALL {
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
