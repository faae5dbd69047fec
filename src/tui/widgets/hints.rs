//! Key hints: a key and what it does.

use super::super::action::Action;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// An action under its usual description.
    Action(Action),
    /// An action under a description for this moment.
    Named(Action, String),
    /// The mode that the keys have.
    Mode(String),
}

impl Hint {
    pub fn all<const N: usize>(actions: [Action; N]) -> Vec<Self> {
        actions.map(Self::Action).to_vec()
    }
}
