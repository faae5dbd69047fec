//! The next run after a failure: the parent with exactly one thing changed, as the failure's row of the table says.

use std::fmt;
use std::str::FromStr;

use super::delta::{Delta, Variable};
use super::failures::Failure;
use super::ids::ReferenceId;
use super::prompt::Block;
use super::reference::{Reference, State};
use super::run::Recipe;
use super::settings::AdapterScale;

/// A change that a failure mode asks for. Of several the first that changes anything is drafted.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Another approved reference, the newest.
    OtherReference,
    /// Keep only the first clause of a block.
    Shorten(Block),
    /// Add words to a block, unless they are in it.
    Append(Block, String),
    /// Add to the guidance scale, or to the adapter's weight, within what is useful.
    Guidance(f64),
    AdapterWeight(f64),
}

/// The run that is proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub recipe: Recipe,
    pub variable: Variable,
    pub before: String,
    pub after: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no change: write `other reference`, `shorten BLOCK`, `append BLOCK: WORDS`, `guidance NUMBER` or \
     `adapter-weight NUMBER`"
)]
pub struct BadEdit(pub String);

/// Guidance scales and adapter weights beyond these are never proposed.
const GUIDANCE: (f64, f64) = (1.5, 7.5);
const WEIGHT: (f64, f64) = (0.2, 1.2);

impl FromStr for Edit {
    type Err = BadEdit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadEdit(text.to_owned());
        let number = |value: &str| value.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(bad);
        if text == "other reference" {
            return Ok(Self::OtherReference);
        }
        match text.split_once(' ').ok_or_else(bad)? {
            ("shorten", block) => Ok(Self::Shorten(block.parse().map_err(|_| bad())?)),
            ("guidance", value) => Ok(Self::Guidance(number(value)?)),
            ("adapter-weight", value) => Ok(Self::AdapterWeight(number(value)?)),
            ("append", rest) => {
                let (block, words) = rest.split_once(": ").ok_or_else(bad)?;
                Ok(Self::Append(block.parse().map_err(|_| bad())?, words.trim().to_owned()))
            }
            _ => Err(bad()),
        }
    }
}

/// The first change of the failure's row that changes anything about this run.
pub fn draft(failure: &Failure, before: &Recipe, references: &[Reference]) -> Option<Draft> {
    failure.edits.iter().find_map(|edit| {
        let recipe = edit.applied(before, references)?;
        let name = |recipe: &Recipe| {
            let found = references.iter().find(|reference| Some(reference.id) == recipe.reference);
            found.map_or("none".to_owned(), |reference| reference.name.to_string())
        };
        let change = Delta::between(before, &recipe, name).changes.into_iter().next()?;
        Some(Draft { recipe, variable: change.variable, before: change.before, after: change.after })
    })
}

impl Draft {
    /// The change in a line, for a person to agree to.
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

impl Edit {
    /// None if it would change nothing.
    fn applied(&self, recipe: &Recipe, references: &[Reference]) -> Option<Recipe> {
        let mut changed = recipe.clone();
        match self {
            Self::OtherReference => changed.reference = Some(other(recipe.reference?, references)?),
            Self::Shorten(block) => {
                let words = recipe.prompt.block(*block);
                changed.prompt.set(*block, words.split(',').next()?.trim());
            }
            Self::Append(block, words) => {
                let before = recipe.prompt.block(*block);
                if before.to_lowercase().contains(&words.to_lowercase()) {
                    return None;
                }
                let joined = if before.is_empty() { words.clone() } else { format!("{before}, {words}") };
                changed.prompt.set(*block, &joined);
            }
            Self::Guidance(by) => {
                changed.settings.guidance_scale = moved(recipe.settings.guidance_scale, *by, GUIDANCE)?;
            }
            Self::AdapterWeight(by) => {
                recipe.reference?;
                let AdapterScale::Uniform(weight) = recipe.settings.adapter_scale else { return None };
                changed.settings.adapter_scale = AdapterScale::Uniform(moved(weight, *by, WEIGHT)?);
            }
        }
        (changed != *recipe).then_some(changed)
    }
}

/// The newest approved reference but this one.
fn other(reference: ReferenceId, references: &[Reference]) -> Option<ReferenceId> {
    let usable = references.iter().filter(|other| other.state == State::Approved && other.id != reference);
    usable.max_by_key(|other| other.name.number).map(|other| other.id)
}

/// A number moved within its useful range, in hundredths; None if it is at the end already.
fn moved(value: f64, by: f64, (low, high): (f64, f64)) -> Option<f64> {
    let to = ((value + by) * 100.0).round() / 100.0;
    let to = if by > 0.0 { to.min(high.max(value)) } else { to.max(low.min(value)) };
    (to != value).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::failures::Failures;
    use crate::studio::prompt::Prompt;
    use crate::studio::run::Model;
    use crate::studio::settings::Settings;

    fn recipe() -> Recipe {
        Recipe {
            prompt: Prompt::new().with(Block::Subject, "a woman").with(Block::Style, "oil painting, thick, dramatic"),
            reference: Some(ReferenceId(1)),
            settings: Settings::default(),
            model: Model::named("mini"),
        }
    }

    #[test]
    fn a_draft_is_the_first_change_that_changes_anything() {
        let applied = |failure: &Failure| -> Vec<Recipe> {
            failure.edits.iter().filter_map(|edit| edit.applied(&recipe(), &[])).collect()
        };
        let all = Failures::embedded().all();
        for failure in all {
            let drafted = draft(failure, &recipe(), &[]).map(|draft| draft.recipe);
            assert_eq!(drafted, applied(failure).first().cloned(), "{}", failure.name);
        }
        assert!(all.iter().any(|failure| applied(failure).len() > 1), "the order decides nothing");
    }

    #[test]
    fn an_edit_changes_one_thing_or_nothing() {
        let applied = |edit: &str| edit.parse::<Edit>().unwrap().applied(&recipe(), &[]);
        assert_eq!(applied("shorten style").unwrap().prompt.block(Block::Style), "oil painting");
        assert_eq!(applied("shorten subject"), None);
        let subject = applied("append subject: calm expression").unwrap();
        assert_eq!(subject.prompt.block(Block::Subject), "a woman, calm expression");
        assert_eq!(applied("append style: Thick"), None);
        assert_eq!(applied("guidance -1.5").unwrap().settings.guidance_scale, 3.5);
        assert_eq!(applied("guidance -9").unwrap().settings.guidance_scale, GUIDANCE.0);
        assert_eq!(applied("adapter-weight 9").unwrap().settings.adapter_scale, AdapterScale::Uniform(WEIGHT.1));
        assert_eq!(applied("other reference"), None);
        for edit in ["shorten", "shorten nose", "guidance warm", "append style thick", "pray"] {
            assert!(edit.parse::<Edit>().is_err(), "{edit}");
        }
    }
}
