//! What changed between two runs, and the rule that only one variable may change.

use serde::{Deserialize, Serialize};

use super::prompt::Block;
use super::recipe::Recipe;
use super::rules::Refusal;
use super::seeds::Seeds;
use super::settings::SETTINGS;
use super::variable::Variable;
use super::words::{self, Word};

/// One variable that changed, with its values as text for people. `words` is the word diff of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub variable: Variable,
    pub before: String,
    pub after: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
}

/// What changed compared with the parent, in the order of [`Variable::all`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delta {
    pub changes: Vec<Change>,
}

impl Delta {
    /// Compares two recipes. `reference` returns the name of a recipe's reference.
    pub fn between(parent: &Recipe, child: &Recipe, reference: impl Fn(&Recipe) -> String) -> Self {
        let mut delta = Self::default();
        for block in Block::ALL {
            delta.prompt(block.into(), parent.prompt.block(block), child.prompt.block(block));
        }
        delta.prompt(Variable::Negative, parent.prompt.negative(), child.prompt.negative());
        if parent.reference != child.reference {
            delta.changed(Variable::Reference, reference(parent), reference(child));
        }
        for setting in &SETTINGS {
            let (before, after) = (setting.show(&parent.settings), setting.show(&child.settings));
            if before != after {
                delta.changed(Variable::Setting(setting), before, after);
            }
        }
        if parent.model != child.model {
            delta.changed(Variable::Model, model(parent), model(child));
        }
        delta
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn variables(&self) -> Vec<Variable> {
        self.changes.iter().map(|change| change.variable).collect()
    }

    /// Applies the one-variable rule: a debug reason allows several changes, and a run without changes must have a seed
    /// that its parent does not have.
    pub fn check(&self, parent: &Seeds, child: &Seeds, debug_reason: Option<&str>) -> Result<(), Refusal> {
        match self.changes.len() {
            0 if child.as_slice().iter().all(|seed| parent.as_slice().contains(seed)) => Err(Refusal::NothingChanged),
            0 | 1 => Ok(()),
            _ if debug_reason.is_some_and(|reason| !reason.trim().is_empty()) => Ok(()),
            _ => Err(Refusal::TwoVariables { changed: self.variables() }),
        }
    }

    fn prompt(&mut self, variable: Variable, before: &str, after: &str) {
        if before != after {
            let words = words::diff(before, after);
            self.changes.push(Change { variable, before: before.to_owned(), after: after.to_owned(), words });
        }
    }

    fn changed(&mut self, variable: Variable, before: String, after: String) {
        self.changes.push(Change { variable, before, after, words: Vec::new() });
    }
}

fn model(recipe: &Recipe) -> String {
    let model = &recipe.model;
    let mut text = model.checkpoint.clone();
    for (what, file) in [("adapter", &model.adapter), ("image encoder", &model.image_encoder)] {
        if let Some(file) = file {
            text += &format!(", {what} {file}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::ids::ReferenceId;
    use crate::studio::prompt::Prompt;
    use crate::studio::recipe::Model;
    use crate::studio::settings::{AdapterScale, LongPrompt, Sampler, Setting, Settings};

    fn recipe() -> Recipe {
        Recipe {
            prompt: Prompt::new().with(Block::Subject, "a man").with(Block::Style, "warm cinematic style"),
            reference: Some(ReferenceId(1)),
            settings: Settings::default(),
            model: Model::named("mini"),
        }
    }

    fn between(child: &Recipe) -> Delta {
        Delta::between(&recipe(), child, |recipe| format!("{:?}", recipe.reference))
    }

    fn setting(key: &str) -> Variable {
        Variable::Setting(Setting::by_key(key).unwrap())
    }

    fn seeds(list: &str) -> Seeds {
        list.parse().unwrap()
    }

    #[test]
    fn each_variable_is_one_change() {
        type Edit = fn(&mut Recipe);
        for variable in Variable::all() {
            assert_eq!(variable.name().parse(), Ok(variable));
        }
        let edits: [(Variable, Edit); 16] = [
            (Variable::Block(Block::Subject), |r| r.prompt.set(Block::Subject, "a woman")),
            (Variable::Block(Block::Camera), |r| r.prompt.set(Block::Camera, "85 mm")),
            (Variable::Block(Block::Lighting), |r| r.prompt.set(Block::Lighting, "soft")),
            (Variable::Block(Block::Style), |r| r.prompt.set(Block::Style, "")),
            (Variable::Block(Block::Constraints), |r| r.prompt.set(Block::Constraints, "no hat")),
            (Variable::Negative, |r| r.prompt.set_negative("blurry")),
            (Variable::Reference, |r| r.reference = None),
            (setting("guidance"), |r| r.settings.guidance_scale = 4.5),
            (setting("adapter-weight"), |r| r.settings.adapter_scale = AdapterScale::Uniform(0.5)),
            (setting("adapter-weight"), |r| (r.settings.adapter_start, r.settings.adapter_end) = (0.1, 0.9)),
            (setting("steps"), |r| r.settings.steps = 30),
            (setting("scheduler"), |r| r.settings.sampler = Some(Sampler::Ddim)),
            (setting("scheduler"), |r| r.settings.karras_sigmas = Some(false)),
            (Variable::Model, |r| r.model.adapter = Some("plus".into())),
            (setting("size"), |r| (r.settings.width, r.settings.height) = (Some(512), Some(768))),
            (setting("long-prompt"), |r| r.settings.long_prompt = LongPrompt::Chunk),
        ];
        for (variable, edit) in edits {
            let mut child = recipe();
            edit(&mut child);
            let delta = between(&child);
            assert_eq!(delta.variables(), [variable]);
            assert_ne!(delta.changes[0].before, delta.changes[0].after);
            assert_eq!(delta.check(&seeds("1"), &seeds("1"), None), Ok(()));
        }
    }

    #[test]
    fn two_variables_need_a_reason() {
        let mut child = recipe();
        child.settings.steps = 30;
        child.prompt.set(Block::Style, "plain");
        let delta = between(&child);
        let changed = vec![Variable::Block(Block::Style), setting("steps")];
        for reason in [None, Some(" ")] {
            let refusal = delta.check(&seeds("1"), &seeds("2"), reason).unwrap_err();
            assert_eq!(refusal, Refusal::TwoVariables { changed: changed.clone() });
        }
        assert_eq!(delta.check(&seeds("1"), &seeds("1"), Some("is it the style at all?")), Ok(()));
    }

    #[test]
    fn an_unchanged_recipe_needs_new_seeds() {
        let delta = between(&recipe());
        assert_eq!(delta.check(&seeds("1,2"), &seeds("2,3"), None), Ok(()));
        assert_eq!(delta.check(&seeds("1,2"), &seeds("2"), None), Err(Refusal::NothingChanged));
    }

    #[test]
    fn a_delta_reads_back_from_its_record() {
        let mut child = recipe();
        child.prompt.set(Block::Style, "cold cinematic style");
        child.settings.guidance_scale = 7.0;
        let delta = between(&child);
        let record = serde_json::to_string(&delta).unwrap();
        assert_eq!(serde_json::from_str::<Delta>(&record).unwrap(), delta);
        assert!(record.starts_with(r#"[{"variable":"style""#), "{record}");
    }
}
