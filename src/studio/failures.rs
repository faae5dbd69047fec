//! Failure modes: the symptom, its likely cause, the next thing to try, and a rule that prevents it. The table is
//! `rules/failures.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

use super::edit::Edit;
use super::review::Key;
use super::text;

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub key: Key,
    pub name: String,
    /// What a reviewer sees.
    pub observed: String,
    /// The likely cause.
    pub cause: String,
    /// What to try in the next run.
    pub action: String,
    /// The rule that prevents it.
    pub rule: String,
    /// Changes to propose; the first that changes the recipe becomes the draft.
    pub edits: Vec<Edit>,
}

/// The table, in the order of the file; keys are unique.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures(Vec<Failure>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFailures {
    #[error("unreadable table of failure modes: {0}")]
    Unreadable(String),
    #[error("failure mode {0} is in the table twice: remove one")]
    Twice(Key),
    #[error("unknown failure {name}: choose one of {}", known.join(", "))]
    Unknown { name: Key, known: Vec<String> },
}

impl Failures {
    /// The table embedded in the program.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<Failures> = OnceLock::new();
        TABLE.get_or_init(|| {
            Self::parse(include_str!("../../rules/failures.toml")).expect("a test reads the embedded table")
        })
    }

    pub fn parse(table: &str) -> Result<Self, BadFailures> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            failure: Vec<Row>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            key: String,
            name: String,
            observed: String,
            cause: String,
            action: String,
            rule: String,
            #[serde(default)]
            draft: Vec<String>,
        }
        let unreadable = |error: String| BadFailures::Unreadable(text::clean(error.trim()));
        let table: Table = toml::from_str(table).map_err(|error| unreadable(error.to_string()))?;
        let mut failures: Vec<Failure> = Vec::with_capacity(table.failure.len());
        for row in table.failure {
            let key: Key = row.key.parse().map_err(|error: super::review::BadReview| unreadable(error.to_string()))?;
            if failures.iter().any(|failure| failure.key == key) {
                return Err(BadFailures::Twice(key));
            }
            let [name, observed, cause, action, rule] =
                [row.name, row.observed, row.cause, row.action, row.rule].map(|text| text::clean(text.trim()));
            let edits = row.draft.iter().map(|edit| edit.parse()).collect::<Result<_, _>>();
            let edits = edits.map_err(|error: super::edit::BadEdit| unreadable(error.to_string()))?;
            failures.push(Failure { key, name, observed, cause, action, rule, edits });
        }
        Ok(Self(failures))
    }

    pub fn all(&self) -> &[Failure] {
        &self.0
    }

    /// Finds a failure mode by key; the error lists all keys.
    pub fn get(&self, key: &Key) -> Result<&Failure, BadFailures> {
        let known = || self.0.iter().map(|failure| failure.key.to_string()).collect();
        let unknown = || BadFailures::Unknown { name: key.clone(), known: known() };
        self.0.iter().find(|failure| failure.key == *key).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_is_complete() {
        let table = Failures::embedded();
        let keys: Vec<&str> = table.all().iter().map(|failure| failure.key.as_str()).collect();
        assert_eq!(
            keys,
            ["style-ignored", "identity-unstable", "waxy", "wrong-face", "wrong-expression", "other"],
            "reviews are stored under these keys"
        );
        for failure in table.all() {
            for text in [&failure.observed, &failure.cause, &failure.action, &failure.rule] {
                assert!(text.ends_with('.'), "{}: {text}", failure.key);
            }
        }
    }

    #[test]
    fn an_unknown_key_lists_the_known_ones() {
        let error = Failures::embedded().get(&"ugly".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("ugly") && error.contains("wrong-face, wrong-expression, other"), "{error}");
    }

    #[test]
    fn an_invalid_table_is_refused() {
        let row = |key: &str| {
            format!(
                "[[failure]]\nkey = {key:?}\nname = \"\"\nobserved = \"\"\ncause = \"\"\naction = \"\"\nrule = \"\"\n"
            )
        };
        assert_eq!(Failures::parse(&row("a")).unwrap().all().len(), 1);
        assert_eq!(Failures::parse(&(row("a") + &row("a"))), Err(BadFailures::Twice("a".parse().unwrap())));
        for bad in [row("A b"), row("a") + "rul = \"\"\n", "failure = 1".to_owned()] {
            assert!(matches!(Failures::parse(&bad), Err(BadFailures::Unreadable(_))), "{bad}");
        }
    }
}
