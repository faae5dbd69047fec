//! Reviews of outputs: failures, scores on a shared rubric, and a verdict.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::Deserialize;
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::ids::{OutputId, ReviewId};
use super::names::named;
use super::text;

/// The key of a failure mode or of a rubric criterion, such as `identity-unstable`; the files in `rules/` define them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReview {
    #[error("invalid key {0:?}: use lower-case letters, digits and hyphens, at most 64 characters")]
    Key(String),
    #[error("invalid score {0}: use 0 to 4")]
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

/// A score from 0 (absent) to 4 (excellent).
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

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Verdict {
    #[default]
    Open,
    Accepted,
    Rejected,
}

named!(Verdict);

/// What a reviewer says about an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    pub reviewer: String,
    pub note: String,
    pub failures: BTreeSet<Key>,
    pub scores: BTreeMap<Key, Score>,
    /// `Open` leaves the output's verdict unchanged.
    pub verdict: Verdict,
}

/// A stored judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub id: ReviewId,
    pub uuid: Uuid,
    pub output: OutputId,
    pub judgement: Judgement,
    pub at: Timestamp,
}

/// One criterion of the rubric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    pub key: Key,
    pub name: String,
    /// The question a reviewer answers with a score.
    pub question: String,
    /// The lowest score that a baseline may have.
    pub minimum: Score,
}

/// The criteria on which an output is scored before it may become a baseline; keys are unique. The table is
/// `rules/rubric.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rubric {
    pub criteria: Vec<Criterion>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRubric {
    #[error("unreadable rubric: {0}")]
    Unreadable(String),
    #[error("criterion {0} is in the rubric twice: remove one")]
    Twice(Key),
    #[error("unknown criterion {name}: choose one of {}", known.join(", "))]
    Unknown { name: Key, known: Vec<String> },
}

impl Rubric {
    /// The rubric embedded in the program.
    pub fn embedded() -> &'static Self {
        static RUBRIC: OnceLock<Rubric> = OnceLock::new();
        RUBRIC.get_or_init(|| {
            Self::parse(include_str!("../../rules/rubric.toml")).expect("a test reads the embedded rubric")
        })
    }

    pub fn parse(rubric: &str) -> Result<Self, BadRubric> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            criterion: Vec<Row>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            key: String,
            name: String,
            question: String,
            least: u8,
        }
        let unreadable = |error: String| BadRubric::Unreadable(text::clean(error.trim()));
        let table: Table = toml::from_str(rubric).map_err(|error| unreadable(error.to_string()))?;
        let mut criteria: Vec<Criterion> = Vec::with_capacity(table.criterion.len());
        for row in table.criterion {
            let key: Key = row.key.parse().map_err(|error: BadReview| unreadable(error.to_string()))?;
            if criteria.iter().any(|criterion| criterion.key == key) {
                return Err(BadRubric::Twice(key));
            }
            let minimum = Score::new(row.least).map_err(|error| unreadable(error.to_string()))?;
            let [name, question] = [row.name, row.question].map(|text| text::clean(text.trim()));
            criteria.push(Criterion { key, name, question, minimum });
        }
        Ok(Self { criteria })
    }

    /// Finds a criterion by key; the error lists all keys.
    pub fn get(&self, key: &Key) -> Result<&Criterion, BadRubric> {
        let known = || self.criteria.iter().map(|criterion| criterion.key.to_string()).collect();
        let unknown = || BadRubric::Unknown { name: key.clone(), known: known() };
        self.criteria.iter().find(|criterion| criterion.key == *key).ok_or_else(unknown)
    }

    /// The criteria without a score.
    pub fn missing(&self, scores: &BTreeMap<Key, Score>) -> Vec<Key> {
        self.keys(|criterion| !scores.contains_key(&criterion.key))
    }

    /// The criteria whose score is below the minimum.
    pub fn too_low(&self, scores: &BTreeMap<Key, Score>) -> Vec<Key> {
        self.keys(|criterion| scores.get(&criterion.key).is_some_and(|&score| score < criterion.minimum))
    }

    fn keys(&self, which: impl Fn(&Criterion) -> bool) -> Vec<Key> {
        self.criteria.iter().filter(|criterion| which(criterion)).map(|criterion| criterion.key.clone()).collect()
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
    fn keys_are_lower_case_words() {
        assert!("waxy-skin".parse::<Key>().is_ok());
        for key in ["", "Waxy", "a b", "ä", "x\u{1b}"] {
            assert!(key.parse::<Key>().is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_rubric_lists_missing_and_low_scores() {
        let key = |text: &str| text.parse::<Key>().unwrap();
        let criterion = |name: &str, minimum| Criterion {
            key: key(name),
            name: name.to_owned(),
            question: String::new(),
            minimum: Score(minimum),
        };
        let rubric = Rubric { criteria: vec![criterion("likeness", 3), criterion("skin", 2), criterion("light", 1)] };
        let scores = BTreeMap::from([(key("likeness"), Score(2)), (key("skin"), Score(2)), (key("other"), Score(0))]);
        assert_eq!((rubric.missing(&scores), rubric.too_low(&scores)), (vec![key("light")], vec![key("likeness")]));
    }

    #[test]
    fn the_embedded_rubric_is_complete() {
        let rubric = Rubric::embedded();
        let keys: Vec<&str> = rubric.criteria.iter().map(|criterion| criterion.key.as_str()).collect();
        let stored = ["appearance", "prompt", "expression", "skin", "artifacts"];
        assert_eq!(keys, stored, "scores are stored under these keys");
        assert!(
            rubric.criteria.iter().all(|criterion| criterion.question.ends_with('?') && criterion.minimum.get() > 0)
        );
        let error = rubric.get(&"beauty".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("beauty") && error.contains("skin, artifacts"), "{error}");
    }

    #[test]
    fn an_invalid_rubric_is_refused() {
        let row = |key: &str, least: u8| {
            format!("[[criterion]]\nkey = {key:?}\nname = \"\"\nquestion = \"\"\nleast = {least}\n")
        };
        assert_eq!(Rubric::parse(&row("a", 4)).unwrap().criteria.len(), 1);
        assert_eq!(Rubric::parse(&(row("a", 1) + &row("a", 2))), Err(BadRubric::Twice("a".parse().unwrap())));
        for bad in [row("a", 5), row("A", 1), row("a", 1) + "most = 4\n"] {
            assert!(matches!(Rubric::parse(&bad), Err(BadRubric::Unreadable(_))), "{bad}");
        }
    }
}
