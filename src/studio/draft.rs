//! The next run after a failure: the parent with exactly one thing changed.

use std::fmt;

use super::delta::Delta;
use super::failures::Failure;
use super::recipe::Recipe;
use super::reference::Reference;
use super::variable::Variable;

/// A proposed run.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub recipe: Recipe,
    pub variable: Variable,
    pub before: String,
    pub after: String,
}

/// Applies the failure's edits in order and returns the first that changes the recipe.
pub fn draft(failure: &Failure, before: &Recipe, references: &[Reference]) -> Option<Draft> {
    failure.edits.iter().find_map(|edit| {
        let recipe = edit.apply(before, references)?;
        let name = |recipe: &Recipe| {
            let found = references.iter().find(|reference| Some(reference.id) == recipe.reference);
            found.map_or("none".to_owned(), |reference| reference.name.to_string())
        };
        let change = Delta::between(before, &recipe, name).changes.into_iter().next()?;
        Some(Draft { recipe, variable: change.variable, before: change.before, after: change.after })
    })
}

impl Draft {
    /// The change in one line: `guidance: 6.5 → 5`.
    pub fn sentence(&self) -> String {
        let words = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        format!("{}: {} → {}", self.variable, words(&self.before), words(&self.after))
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::failures::Failures;
    use crate::studio::ids::ReferenceId;
    use crate::studio::prompt::{Block, Prompt};
    use crate::studio::recipe::Model;
    use crate::studio::settings::Settings;

    #[test]
    fn a_draft_is_the_first_edit_that_changes_the_recipe() {
        let recipe = Recipe {
            prompt: Prompt::new().with(Block::Subject, "a woman").with(Block::Style, "oil painting, thick, dramatic"),
            reference: Some(ReferenceId(1)),
            settings: Settings::default(),
            model: Model::named("mini"),
        };
        let changes = |failure: &Failure| -> Vec<Recipe> {
            failure.edits.iter().filter_map(|edit| edit.apply(&recipe, &[])).collect()
        };
        let all = Failures::embedded().all();
        for failure in all {
            let drafted = draft(failure, &recipe, &[]).map(|draft| draft.recipe);
            assert_eq!(drafted, changes(failure).first().cloned(), "{}", failure.name);
        }
        assert!(all.iter().any(|failure| changes(failure).len() > 1), "no failure has two edits that apply");
    }
}
