//! Looking at outputs: what failed, scores on a shared rubric, a verdict.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::ids::{OutputId, ReviewId};
use super::text;

/// The key of a failure mode or of a rubric's criterion, as the rules files write it: `identity-unstable`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReview {
    #[error("{0:?} is no key of a failure mode or criterion; keys are lower-case letters, digits and hyphens")]
    Key(String),
    #[error("the score {0} is outside 0 to 4")]
    Score(String),
}

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = BadReview;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let fits = !key.is_empty()
            && key.len() <= 64
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits { Ok(Self(key.to_owned())) } else { Err(BadReview::Key(text::clean(key))) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From 0 (absent) to 4 (as good as it gets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Score(u8);

impl Score {
    pub fn new(score: u8) -> Result<Self, BadReview> {
        if score <= 4 { Ok(Self(score)) } else { Err(BadReview::Score(score.to_string())) }
    }

    pub fn get(self) -> u8 {
        self.0
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verdict {
    #[default]
    Open,
    Accepted,
    Rejected,
}

impl Verdict {
    pub const ALL: [Self; 3] = [Self::Open, Self::Accepted, Self::Rejected];

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// What a person says of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    pub reviewer: String,
    pub note: String,
    pub failures: BTreeSet<Key>,
    pub scores: BTreeMap<Key, Score>,
    /// Open leaves the output's verdict as it is.
    pub verdict: Verdict,
}

/// A judgement that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub id: ReviewId,
    pub uuid: Uuid,
    pub output: OutputId,
    pub judgement: Judgement,
    pub at: Timestamp,
}

/// The criteria every output is scored on before it may become a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rubric {
    pub criteria: Vec<Key>,
    /// No criterion below this.
    pub least: Score,
}

impl Rubric {
    /// The criteria that have no score yet.
    pub fn missing(&self, scores: &BTreeMap<Key, Score>) -> Vec<Key> {
        self.criteria.iter().filter(|key| !scores.contains_key(key)).cloned().collect()
    }

    /// The criteria that were scored too low.
    pub fn too_low(&self, scores: &BTreeMap<Key, Score>) -> Vec<Key> {
        self.criteria.iter().filter(|key| scores.get(key).is_some_and(|&score| score < self.least)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_run_from_0_to_4() {
        assert_eq!(Score::new(4).unwrap().get(), 4);
        assert!(Score::new(5).is_err());
    }

    #[test]
    fn keys_are_plain() {
        assert!("waxy-skin".parse::<Key>().is_ok());
        for key in ["", "Waxy", "a b", "ä", "x\u{1b}"] {
            assert!(key.parse::<Key>().is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_rubric_knows_what_is_missing_and_what_is_too_low() {
        let key = |text: &str| text.parse::<Key>().unwrap();
        let rubric = Rubric { criteria: vec![key("likeness"), key("skin"), key("light")], least: Score(2) };
        let scores = BTreeMap::from([(key("likeness"), Score(1)), (key("skin"), Score(2)), (key("other"), Score(0))]);
        assert_eq!((rubric.missing(&scores), rubric.too_low(&scores)), (vec![key("light")], vec![key("likeness")]));
    }
}
