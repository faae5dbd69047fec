//! What a list of outputs asks the project for.

use super::selection::Selection;
use crate::store::lines::{Order, Scope};
use crate::studio::filter::Filter;
use crate::studio::ids::RunId;

/// Which outputs a list shows, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub scope: Scope,
    pub filter: Filter,
    /// The filter as it was typed.
    pub typed: String,
    pub order: Order,
}

impl Query {
    pub fn new(scope: Scope) -> Self {
        Self { scope, filter: Filter::default(), typed: String::new(), order: Order::default() }
    }

    /// A run's outputs, in the order they were made.
    pub fn of_run(run: RunId) -> Self {
        Self { order: Order::Oldest, ..Self::new(Scope::Run(run)) }
    }

    /// Whether the query can find outputs of the selected subject.
    pub fn fits(&self, selection: &Selection) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::Subject(subject) => selection.subject_id() == Some(subject),
            Scope::Run(run) => selection.run() == Some(run),
        }
    }
}
