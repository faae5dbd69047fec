//! What an import did.

use std::fmt;

use jiff::Timestamp;

use crate::studio::subject::{Handle, ReferenceName, TaskId};

/// Rows that were put in, and rows that were there already and left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub added: u64,
    pub there: u64,
}

/// What came of one bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub subjects: Vec<Imported>,
    pub presets: Presets,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presets {
    pub count: Count,
    /// Whose names were taken: in the bundle, and here.
    pub renamed: Vec<(String, String)>,
    /// The team's where they come from, and on trial here: what they did there did not come, or is not enough.
    pub on_trial: Vec<String>,
}

impl Report {
    /// Whether everything was there already.
    pub fn is_nothing_new(&self) -> bool {
        self.presets.count.added == 0 && self.subjects.iter().all(Imported::is_nothing_new)
    }
}

/// One subject that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its handle in the bundle, and here.
    pub was: Handle,
    pub handle: Handle,
    pub subjects: Count,
    pub consents: Count,
    pub references: Count,
    pub runs: Count,
    pub outputs: Count,
    pub reviews: Count,
    pub baselines: Count,
    /// The runs that are new, by their names here.
    pub tasks: Vec<TaskId>,
    /// Runs whose number was taken: their names in the bundle, and here.
    pub runs_renamed: Vec<(TaskId, TaskId)>,
    pub references_renamed: Vec<(ReferenceName, ReferenceName)>,
    pub remarks: Vec<Remark>,
}

/// Something that is not here as it was in the bundle, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A reference came without its picture.
    RightWithdrawn { reference: ReferenceName },
    /// An approved reference came as a candidate.
    RightNotInForce { reference: ReferenceName },
    /// An approved reference that the quality gate rejects came as a candidate: nobody said why it was approved.
    GateNotOverruled { reference: ReferenceName },
    /// The bundle knows of a withdrawal that this project does not.
    WithdrawnElsewhere { statement: String, at: Timestamp },
    /// A reference that the bundle says was withdrawn is still used here.
    ReferenceWithdrawnElsewhere { reference: ReferenceName },
    /// A run that was waiting or under way came as a draft, so that nothing starts by itself.
    Draft { task: TaskId },
    /// Pictures made with a withdrawn reference did not come, nor did runs that were waiting for it.
    LeftOut { task: TaskId },
    /// The run is here and not over; the bundle's pictures of it were left out.
    NotOverHere { task: TaskId },
    /// The subject has a baseline here, which stays in force, or the bundle's is not accepted here.
    BaselineOver,
}

impl Imported {
    pub fn new(was: Handle, handle: Handle) -> Self {
        let none = Count::default();
        Self {
            was,
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

    /// The counts, each with what it counts.
    pub fn counts(&self) -> [(&'static str, Count); 7] {
        [
            ("subjects", self.subjects),
            ("rights", self.consents),
            ("references", self.references),
            ("runs", self.runs),
            ("outputs", self.outputs),
            ("reviews", self.reviews),
            ("baselines", self.baselines),
        ]
    }

    /// Whether everything was there already.
    pub fn is_nothing_new(&self) -> bool {
        self.counts().iter().all(|(_, count)| count.added == 0)
    }
}

impl Count {
    pub(super) fn add(&mut self, is_new: bool) {
        *if is_new { &mut self.added } else { &mut self.there } += 1;
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RightWithdrawn { reference } => {
                write!(f, "{reference} came without its picture: the right to it was withdrawn")
            }
            Self::RightNotInForce { reference } => write!(
                f,
                "{reference} came as a candidate, because the right to it is not in force; record one before it is \
                 approved again"
            ),
            Self::GateNotOverruled { reference } => write!(
                f,
                "{reference} came as a candidate: the quality gate rejects it, and no reason to overrule the gate came \
                 with it"
            ),
            Self::WithdrawnElsewhere { statement, at } => write!(
                f,
                "the right {statement:?} was withdrawn on {} where the bundle comes from, and is recorded here as in \
                 force; look into it, and withdraw its references here too",
                at.strftime("%Y-%m-%d")
            ),
            Self::ReferenceWithdrawnElsewhere { reference } => write!(
                f,
                "{reference} was withdrawn where the bundle comes from, and is still here; look into it, and withdraw \
                 it here too"
            ),
            Self::Draft { task } => {
                write!(f, "{task} was not over yet; it came as a draft, and nothing starts by itself")
            }
            Self::LeftOut { task } => {
                write!(f, "what {task} made or waited for was left out: its reference is withdrawn")
            }
            Self::NotOverHere { task } => {
                write!(f, "{task} is here and not over yet, so the pictures of it that came were left out")
            }
            Self::BaselineOver => f.write_str(
                "the bundle's baseline came as an earlier one: another is in force here, or its output is not accepted",
            ),
        }
    }
}
