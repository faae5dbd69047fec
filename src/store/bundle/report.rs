//! Reports what an import did.

use std::fmt;

use jiff::Timestamp;

use crate::studio::subject::{Handle, ReferenceName, TaskId};

/// How many rows an import added, and how many existed already and were left as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub added: u64,
    pub existing: u64,
}

/// The result of importing one bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub subjects: Vec<SubjectReport>,
    pub presets: PresetReport,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresetReport {
    pub count: Count,
    /// Presets whose name was taken: their name in the bundle, and here.
    pub renamed: Vec<(String, String)>,
    /// Presets that are promoted in the bundle and on trial here, because too few accepted outputs here support them.
    pub on_trial: Vec<String>,
}

/// The result of importing one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectReport {
    pub handle_in_bundle: Handle,
    pub handle: Handle,
    pub subjects: Count,
    pub consents: Count,
    pub references: Count,
    pub runs: Count,
    pub outputs: Count,
    pub reviews: Count,
    pub baselines: Count,
    /// New runs, by their task IDs here.
    pub tasks: Vec<TaskId>,
    /// Runs whose number was taken: their task ID in the bundle, and here.
    pub runs_renamed: Vec<(TaskId, TaskId)>,
    pub references_renamed: Vec<(ReferenceName, ReferenceName)>,
    pub remarks: Vec<Remark>,
}

/// Why this project differs from the bundle after the import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A reference was imported without its image.
    ConsentWithdrawn { reference: ReferenceName },
    /// An approved reference was imported as a candidate.
    NoValidConsent { reference: ReferenceName },
    /// An approved reference that the quality gate rejects was imported as a candidate, because nobody overruled the
    /// gate.
    GateNotOverruled { reference: ReferenceName },
    /// A consent is withdrawn in the bundle but not here.
    ConsentWithdrawnElsewhere { statement: String, at: Timestamp },
    /// A reference is withdrawn in the bundle but not here.
    ReferenceWithdrawnElsewhere { reference: ReferenceName },
    /// A run that was queued or running was imported as a draft, so that an import never starts work.
    Draft { task: TaskId },
    /// A run that had not ended was left out, because its reference is withdrawn.
    RunLeftOut { task: TaskId },
    /// The outputs of a run were left out, because its reference is withdrawn.
    OutputsLeftOut { task: TaskId },
    /// Outputs of a run that exists here and has not ended were left out.
    RunNotOver { task: TaskId },
    /// A current baseline was imported as an earlier one: the subject has one here, or its output is not accepted here.
    BaselineNotCurrent,
}

impl Report {
    /// Whether everything existed already.
    pub fn is_unchanged(&self) -> bool {
        self.presets.count.added == 0 && self.subjects.iter().all(SubjectReport::is_unchanged)
    }
}

impl SubjectReport {
    pub fn new(handle_in_bundle: Handle, handle: Handle) -> Self {
        let none = Count::default();
        Self {
            handle_in_bundle,
            handle,
            subjects: none,
            consents: none,
            references: none,
            runs: none,
            outputs: none,
            reviews: none,
            baselines: none,
            tasks: Vec::new(),
            runs_renamed: Vec::new(),
            references_renamed: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// The counts, each with the name of what it counts.
    pub fn counts(&self) -> [(&'static str, Count); 7] {
        [
            ("subjects", self.subjects),
            ("consents", self.consents),
            ("references", self.references),
            ("runs", self.runs),
            ("outputs", self.outputs),
            ("reviews", self.reviews),
            ("baselines", self.baselines),
        ]
    }

    /// Whether everything existed already.
    pub fn is_unchanged(&self) -> bool {
        self.counts().iter().all(|(_, count)| count.added == 0)
    }
}

impl Count {
    pub(super) fn add(&mut self, is_new: bool) {
        *if is_new { &mut self.added } else { &mut self.existing } += 1;
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsentWithdrawn { reference } => {
                write!(f, "imported {reference} without its image: its consent is withdrawn")
            }
            Self::NoValidConsent { reference } => write!(
                f,
                "imported {reference} as a candidate: its consent is not valid now. Record a new one before you approve it"
            ),
            Self::GateNotOverruled { reference } => write!(
                f,
                "imported {reference} as a candidate: the quality gate rejects it, and the bundle gives no reason to \
                 overrule the gate"
            ),
            Self::ConsentWithdrawnElsewhere { statement, at } => write!(
                f,
                "the consent {statement:?} was withdrawn on {} in the bundle but is valid here: check it, and withdraw \
                 its references here too",
                at.strftime("%Y-%m-%d")
            ),
            Self::ReferenceWithdrawnElsewhere { reference } => {
                write!(f, "{reference} is withdrawn in the bundle but not here: check it, and withdraw it here too")
            }
            Self::Draft { task } => {
                write!(f, "imported {task} as a draft: it had not ended, and an import never starts a run")
            }
            Self::RunLeftOut { task } => write!(f, "left out {task}: its reference is withdrawn"),
            Self::OutputsLeftOut { task } => write!(f, "left out the outputs of {task}: its reference is withdrawn"),
            Self::RunNotOver { task } => {
                write!(f, "left out the outputs of {task}: the run exists here and has not ended")
            }
            Self::BaselineNotCurrent => f.write_str(
                "imported the baseline as an earlier one: the subject has another here, or its output is not accepted",
            ),
        }
    }
}
