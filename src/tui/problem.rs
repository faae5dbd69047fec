//! Why something failed, as the screen shows it.

use std::iter::successors;

use crate::{service, store};

/// An error's message and its causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub causes: Vec<String>,
    /// The name of the rule that refused it, if a rule did.
    pub rule: Option<&'static str>,
}

impl Problem {
    pub fn new(error: &dyn std::error::Error) -> Self {
        let causes = successors(error.source(), |error| error.source());
        Self { message: error.to_string(), causes: causes.map(ToString::to_string).collect(), rule: None }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self { rule: error.rule(), ..Self::new(&error) }
    }
}

impl From<service::Error> for Problem {
    fn from(error: service::Error) -> Self {
        Self { rule: error.rule(), ..Self::new(&error) }
    }
}
