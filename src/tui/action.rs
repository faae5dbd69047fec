//! What a key can mean. `keymap.toml` uses the names; help and footer use the descriptions.

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

            /// A few words for help, footer and palette.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),* }
            }
        }
    };
}

actions! {
    Up "up" "one up";
    Down "down" "one down";
    Left "left" "one left";
    Right "right" "one right";
    PageUp "page-up" "a page up";
    PageDown "page-down" "a page down";
    First "first" "to the first";
    Last "last" "to the last";
    Open "open" "open";
    Back "back" "back";
    Filter "filter" "filter";
    Help "help" "all keys";
    Palette "palette" "find a command";
    Dismiss "dismiss" "put the message away";
    Details "details" "the whole message";
    Redraw "redraw" "draw everything anew";
    Suspend "suspend" "back to the shell for a while";
    Quit "quit" "leave";
    GoSubjects "go-subjects" "subjects";
    GoReferences "go-references" "references";
    GoCompose "go-compose" "compose";
    GoRuns "go-runs" "runs";
    GoReview "go-review" "review";
    GoQueue "go-queue" "queue";
    GoLineage "go-lineage" "lineage";
    AddSubject "add-subject" "new subject";
    Grant "grant" "add a right";
    Import "import" "add a picture";
    Approve "approve" "approve";
    Reject "reject" "reject";
    Retire "retire" "retire";
    Withdraw "withdraw" "withdraw";
    Note "note" "write a note";
    Compose "compose" "start a run";
    Again "again" "more like this";
    Branch "branch" "start from this run";
    NextField "next-field" "next field";
    PreviousField "previous-field" "field before";
    Edit "edit" "change it";
    More "more" "more";
    Less "less" "less";
    Submit "submit" "queue the run";
    Presets "presets" "presets";
    KeepPreset "keep-preset" "keep the parent's settings";
    Debug "debug" "allow several changes";
    Sort "sort" "other order";
    Grid "grid" "pictures or a table";
    Everyone "everyone" "all subjects or this one";
    Compare "compare" "compare";
    Flicker "flicker" "one over the other";
    Difference "difference" "the difference";
    Next "next" "next picture";
    Previous "previous" "picture before";
    Failure1 "failure-1" "failure 1";
    Failure2 "failure-2" "failure 2";
    Failure3 "failure-3" "failure 3";
    Failure4 "failure-4" "failure 4";
    Failure5 "failure-5" "failure 5";
    Failure6 "failure-6" "failure 6";
    Failure7 "failure-7" "failure 7";
    Failure8 "failure-8" "failure 8";
    Failure9 "failure-9" "failure 9";
    TakeDraft "take-draft" "queue the drafted run";
    Scores "scores" "give scores";
    Diagnosis "diagnosis" "write the diagnosis";
    Accept "accept" "accept";
    Refuse "refuse" "reject the picture";
    Baseline "baseline" "make it the baseline";
    Pause "pause" "pause or go on";
    Cancel "cancel" "cancel the run";
    Retry "retry" "queue it again";
    Sooner "sooner" "sooner";
    Later "later" "later";
}

impl Action {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// The same with a failure mode's own name.
    pub fn about_here(self) -> &'static str {
        self.failure_mode().map_or(self.about(), |failure| failure.name.as_str())
    }

    /// Whether there is such a thing: keys for failures are more than failures.
    pub fn means_something(self) -> bool {
        self.failure().is_none() || self.failure_mode().is_some()
    }

    fn failure_mode(self) -> Option<&'static Failure> {
        Failures::embedded().all().get(self.failure()?)
    }

    /// The number of the failure mode, from 0, that this key stands for.
    pub fn failure(self) -> Option<usize> {
        let first = Self::Failure1 as usize;
        (first..=Self::Failure9 as usize).contains(&(self as usize)).then(|| self as usize - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_of_a_kind_and_go_both_ways() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
        }
        assert_eq!(Action::Failure3.failure(), Some(2));
        assert_eq!(Action::TakeDraft.failure(), None);
    }
}
