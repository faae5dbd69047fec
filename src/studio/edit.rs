//! The changes that the table of failure modes can propose for the next run.

use std::str::FromStr;

use super::ids::ReferenceId;
use super::prompt::Block;
use super::recipe::Recipe;
use super::reference::{Reference, ReferenceState};
use super::settings::AdapterScale;

/// A change to one variable, written in `rules/failures.toml` as in the comments below.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// `other reference`: switch to the newest other approved reference.
    OtherReference,
    /// `shorten BLOCK`: keep the block up to its first comma.
    Shorten(Block),
    /// `append BLOCK: WORDS`: add words to the block, unless it contains them.
    Append(Block, String),
    /// `guidance N`: add N to the guidance scale, within [`GUIDANCE`].
    Guidance(f64),
    /// `adapter-weight N`: add N to the adapter weight, within [`WEIGHT`].
    AdapterWeight(f64),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown change {0:?}: use `other reference`, `shorten BLOCK`, `append BLOCK: WORDS`, `guidance NUMBER` or \
     `adapter-weight NUMBER`"
)]
pub struct BadEdit(pub String);

/// The guidance scales and adapter weights that an edit may propose.
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

impl Edit {
    /// The recipe with this change; `None` if it would change nothing.
    pub fn apply(&self, recipe: &Recipe, references: &[Reference]) -> Option<Recipe> {
        let mut changed = recipe.clone();
        match self {
            Self::OtherReference => changed.reference = Some(other_reference(recipe.reference?, references)?),
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
                changed.settings.guidance_scale = shifted(recipe.settings.guidance_scale, *by, GUIDANCE)?;
            }
            Self::AdapterWeight(by) => {
                recipe.reference?;
                let AdapterScale::Uniform(weight) = recipe.settings.adapter_scale else { return None };
                changed.settings.adapter_scale = AdapterScale::Uniform(shifted(weight, *by, WEIGHT)?);
            }
        }
        (changed != *recipe).then_some(changed)
    }
}

/// The newest approved reference except `current`.
fn other_reference(current: ReferenceId, references: &[Reference]) -> Option<ReferenceId> {
    let usable = references.iter().filter(|other| other.state == ReferenceState::Approved && other.id != current);
    usable.max_by_key(|other| other.name.number).map(|other| other.id)
}

/// `value + by`, rounded to hundredths and kept within the range; a value outside of it does not move further out.
/// `None` if nothing changes.
fn shifted(value: f64, by: f64, (low, high): (f64, f64)) -> Option<f64> {
    let to = ((value + by) * 100.0).round() / 100.0;
    let to = if by > 0.0 { to.min(high.max(value)) } else { to.max(low.min(value)) };
    (to != value).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::prompt::Prompt;
    use crate::studio::recipe::Model;
    use crate::studio::settings::Settings;

    #[test]
    fn an_edit_changes_one_thing_or_nothing() {
        let recipe = Recipe {
            prompt: Prompt::new().with(Block::Subject, "a woman").with(Block::Style, "oil painting, thick, dramatic"),
            reference: Some(ReferenceId(1)),
            settings: Settings { guidance_scale: 5.0, ..Settings::default() },
            model: Model::named("mini"),
        };
        let apply = |edit: &str| edit.parse::<Edit>().unwrap().apply(&recipe, &[]);
        assert_eq!(apply("shorten style").unwrap().prompt.block(Block::Style), "oil painting");
        assert_eq!(apply("shorten subject"), None);
        let subject = apply("append subject: calm expression").unwrap();
        assert_eq!(subject.prompt.block(Block::Subject), "a woman, calm expression");
        assert_eq!(apply("append style: Thick"), None);
        assert_eq!(apply("guidance -1.5").unwrap().settings.guidance_scale, 3.5);
        assert_eq!(apply("guidance -9").unwrap().settings.guidance_scale, GUIDANCE.0);
        assert_eq!(apply("adapter-weight 9").unwrap().settings.adapter_scale, AdapterScale::Uniform(WEIGHT.1));
        assert_eq!(apply("other reference"), None);
    }

    #[test]
    fn a_malformed_edit_is_refused() {
        for edit in ["shorten", "shorten nose", "guidance warm", "append style thick", "pray"] {
            assert!(edit.parse::<Edit>().is_err(), "{edit}");
        }
    }
}
