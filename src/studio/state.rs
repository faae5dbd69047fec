//! Where a run stands, and which queued runs go first.

use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};

use super::names::named;

/// Which queued runs go first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

/// How far a run has come: draft → queued → running → done, failed, cancelled or interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum RunState {
    Draft,
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
    /// Its worker stopped before it was done; the run returns to the queue.
    Interrupted,
}

named!(Priority, RunState);

impl RunState {
    /// Whether the run has ended: only a person can start it again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}
