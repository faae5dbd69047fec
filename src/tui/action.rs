//! The actions that keys stand for. `keymap.toml` uses their names; help, palette and footer use their descriptions.

use crate::studio::failures::{Failure, Failures};

macro_rules! actions {
    ($($variant:ident $name:literal $about:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $(#[doc = $about] $variant,)*
        }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The description in help, palette and footer.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),* }
            }
        }
    };
}

actions! {
    Unbound "none" "unbound";
    Up "up" "up";
    Down "down" "down";
    Left "left" "left";
    Right "right" "right";
    PageUp "page-up" "page up";
    PageDown "page-down" "page down";
    First "first" "first";
    Last "last" "last";
    Open "open" "open";
    Back "back" "back";
    Filter "filter" "filter";
    Help "help" "help";
    Palette "palette" "commands";
    Dismiss "dismiss" "dismiss message";
    Details "details" "message details";
    Redraw "redraw" "redraw";
    Suspend "suspend" "suspend";
    Quit "quit" "quit";
    GoSubjects "go-subjects" "subjects";
    GoReferences "go-references" "references";
    GoCompose "go-compose" "compose";
    GoRuns "go-runs" "runs";
    GoReview "go-review" "review";
    GoQueue "go-queue" "queue";
    GoLineage "go-lineage" "lineage";
    AddSubject "add-subject" "add subject";
    RecordConsent "grant" "record consent";
    Import "import" "add reference";
    Approve "approve" "approve";
    Reject "reject" "reject";
    Retire "retire" "retire";
    Withdraw "withdraw" "withdraw";
    Note "note" "write note";
    Compose "compose" "compose run";
    Again "again" "rerun, new seeds";
    Branch "branch" "branch from here";
    NextField "next-field" "next field";
    PreviousField "previous-field" "previous field";
    Edit "edit" "edit field";
    More "more" "next value";
    Less "less" "previous value";
    Submit "submit" "queue run";
    Presets "presets" "presets";
    SavePreset "keep-preset" "save preset";
    Debug "debug" "change several things";
    Discard "discard" "discard draft";
    Sort "sort" "sort";
    Grid "grid" "grid";
    AllSubjects "everyone" "all subjects";
    Compare "compare" "compare";
    Flicker "flicker" "flicker";
    Difference "difference" "difference";
    Next "next" "next picture";
    Previous "previous" "previous picture";
    Failure1 "failure-1" "failure 1";
    Failure2 "failure-2" "failure 2";
    Failure3 "failure-3" "failure 3";
    Failure4 "failure-4" "failure 4";
    Failure5 "failure-5" "failure 5";
    Failure6 "failure-6" "failure 6";
    Failure7 "failure-7" "failure 7";
    Failure8 "failure-8" "failure 8";
    Failure9 "failure-9" "failure 9";
    QueueDraft "take-draft" "queue draft";
    Scores "scores" "score";
    Diagnosis "diagnosis" "write diagnosis";
    Accept "accept" "accept";
    RejectOutput "refuse" "reject";
    ClearVerdict "clear-verdict" "clear verdict";
    Baseline "baseline" "set baseline";
    Pause "pause" "pause";
    Cancel "cancel" "cancel run";
    Retry "retry" "retry";
    MoveUp "sooner" "move up";
    MoveDown "later" "move down";
    Confirm "confirm" "confirm";
    Complete "complete" "complete path";
    Promote "promote" "make team preset";
}

impl Action {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// The description, with the name of the failure mode for a failure key.
    pub fn description(self) -> &'static str {
        self.failure_mode().map_or(self.about(), |failure| failure.name.as_str())
    }

    /// False for a failure key without a failure mode: there are more keys than modes.
    pub fn is_available(self) -> bool {
        self.failure().is_none() || self.failure_mode().is_some()
    }

    fn failure_mode(self) -> Option<&'static Failure> {
        Failures::embedded().all().get(self.failure()?)
    }

    /// The index of the failure mode, from 0, if this is a failure key.
    pub fn failure(self) -> Option<usize> {
        let first = Self::Failure1 as usize;
        (first..=Self::Failure9 as usize).contains(&(self as usize)).then(|| self as usize - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
        }
        assert_eq!(Action::Failure3.failure(), Some(2));
        assert_eq!(Action::QueueDraft.failure(), None);
    }
}
