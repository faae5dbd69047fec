//! What changed from one run to the next, and the rule that only one thing may.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::prompt::Block;
use super::rules::Refusal;
use super::run::{Recipe, Seeds};
use super::settings::{AdapterScale, LongPrompt, Settings};
use super::text;
use super::words::{self, Word};

/// The things a person varies, one at a time. Seeds are not among them: they are replicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variable {
    Subject,
    Camera,
    Lighting,
    Style,
    Constraints,
    Negative,
    Reference,
    Guidance,
    /// The weight, and the share of the steps over which it counts.
    AdapterWeight,
    Steps,
    /// The sampler, and Karras sigmas.
    Scheduler,
    /// The checkpoint, its adapter and the image encoder.
    Model,
    Size,
    /// What becomes of a prompt that is too long.
    LongPrompt,
}

/// A name that is not one of [`Variable::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no variable called {name:?}; choose one of {}", Variable::ALL.map(Variable::name).join(", "))]
pub struct UnknownVariable {
    pub name: String,
}

impl Variable {
    pub const ALL: [Self; 14] = [
        Self::Subject,
        Self::Camera,
        Self::Lighting,
        Self::Style,
        Self::Constraints,
        Self::Negative,
        Self::Reference,
        Self::Guidance,
        Self::AdapterWeight,
        Self::Steps,
        Self::Scheduler,
        Self::Model,
        Self::Size,
        Self::LongPrompt,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Camera => "camera",
            Self::Lighting => "lighting",
            Self::Style => "style",
            Self::Constraints => "constraints",
            Self::Negative => "negative",
            Self::Reference => "reference",
            Self::Guidance => "guidance",
            Self::AdapterWeight => "adapter-weight",
            Self::Steps => "steps",
            Self::Scheduler => "scheduler",
            Self::Model => "model",
            Self::Size => "size",
            Self::LongPrompt => "long-prompt",
        }
    }
}

impl FromStr for Variable {
    type Err = UnknownVariable;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownVariable { name: text::clean(name) };
        Self::ALL.into_iter().find(|variable| variable.name() == name).ok_or_else(unknown)
    }
}

impl From<Block> for Variable {
    fn from(block: Block) -> Self {
        match block {
            Block::Subject => Self::Subject,
            Block::Camera => Self::Camera,
            Block::Lighting => Self::Lighting,
            Block::Style => Self::Style,
            Block::Constraints => Self::Constraints,
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One variable that changed. Values are texts for people; where they are prompts, the words that changed are marked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub variable: Variable,
    pub before: String,
    pub after: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
}

/// What changed against the parent, in the order of [`Variable`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delta {
    pub changes: Vec<Change>,
}

impl Delta {
    /// `reference` names a recipe's reference for people.
    pub fn between(parent: &Recipe, child: &Recipe, reference: impl Fn(&Recipe) -> String) -> Self {
        let mut delta = Self::default();
        for block in Block::ALL {
            delta.prompt(block.into(), parent.prompt.block(block), child.prompt.block(block));
        }
        delta.prompt(Variable::Negative, parent.prompt.negative(), child.prompt.negative());
        if parent.reference != child.reference {
            delta.changed(Variable::Reference, reference(parent), reference(child));
        }
        let (old, new) = (&parent.settings, &child.settings);
        delta.value(Variable::Guidance, old, new, |settings| settings.guidance_scale.to_string());
        delta.value(Variable::AdapterWeight, old, new, adapter_weight);
        delta.value(Variable::Steps, old, new, |settings| settings.steps.to_string());
        delta.value(Variable::Scheduler, old, new, scheduler);
        if parent.model != child.model {
            delta.changed(Variable::Model, model(parent), model(child));
        }
        delta.value(Variable::Size, old, new, size);
        delta.value(Variable::LongPrompt, old, new, |settings| {
            match settings.long_prompt {
                LongPrompt::Truncate => "truncate",
                LongPrompt::Chunk => "chunk",
            }
            .to_owned()
        });
        delta
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn variables(&self) -> Vec<Variable> {
        self.changes.iter().map(|change| change.variable).collect()
    }

    /// The one-variable rule. With no change at all the run must bring a seed that its parent has not; a debug reason
    /// allows several changes.
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

    fn value(&mut self, variable: Variable, old: &Settings, new: &Settings, text: impl Fn(&Settings) -> String) {
        let (before, after) = (text(old), text(new));
        if before != after {
            self.changed(variable, before, after);
        }
    }

    fn changed(&mut self, variable: Variable, before: String, after: String) {
        self.changes.push(Change { variable, before, after, words: Vec::new() });
    }
}

fn adapter_weight(settings: &Settings) -> String {
    let weight = match &settings.adapter_scale {
        AdapterScale::Uniform(weight) => weight.to_string(),
        AdapterScale::PerBlock(weights) => {
            let weights: Vec<_> = weights.iter().map(|(block, weight)| format!("{block}={weight}")).collect();
            weights.join(" ")
        }
    };
    if settings.adapter_start == 0.0 && settings.adapter_end == 1.0 {
        weight
    } else {
        format!("{weight} from {} to {}", settings.adapter_start, settings.adapter_end)
    }
}

fn scheduler(settings: &Settings) -> String {
    let name = settings.sampler.map_or("the model's own", |sampler| sampler.name());
    match settings.karras_sigmas {
        None => name.to_owned(),
        Some(true) => format!("{name}, Karras sigmas"),
        Some(false) => format!("{name}, no Karras sigmas"),
    }
}

fn size(settings: &Settings) -> String {
    let side = |pixels: Option<usize>| pixels.map_or("own".to_owned(), |pixels| pixels.to_string());
    match (settings.width, settings.height) {
        (None, None) => "the model's own".to_owned(),
        (width, height) => format!("{}×{}", side(width), side(height)),
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
    use crate::studio::run::Model;
    use crate::studio::settings::Sampler;

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

    fn seeds(list: &str) -> Seeds {
        list.parse().unwrap()
    }

    #[test]
    fn each_variable_is_seen_and_counts_once() {
        type Edit = fn(&mut Recipe);
        for variable in Variable::ALL {
            assert_eq!(variable.name().parse(), Ok(variable));
        }
        let edits: [(Variable, Edit); 16] = [
            (Variable::Subject, |r| r.prompt.set(Block::Subject, "a woman")),
            (Variable::Camera, |r| r.prompt.set(Block::Camera, "85 mm")),
            (Variable::Lighting, |r| r.prompt.set(Block::Lighting, "soft")),
            (Variable::Style, |r| r.prompt.set(Block::Style, "")),
            (Variable::Constraints, |r| r.prompt.set(Block::Constraints, "no hat")),
            (Variable::Negative, |r| r.prompt.set_negative("blurry")),
            (Variable::Reference, |r| r.reference = None),
            (Variable::Guidance, |r| r.settings.guidance_scale = 5.5),
            (Variable::AdapterWeight, |r| r.settings.adapter_scale = AdapterScale::Uniform(0.5)),
            (Variable::AdapterWeight, |r| (r.settings.adapter_start, r.settings.adapter_end) = (0.1, 0.9)),
            (Variable::Steps, |r| r.settings.steps = 30),
            (Variable::Scheduler, |r| r.settings.sampler = Some(Sampler::Ddim)),
            (Variable::Scheduler, |r| r.settings.karras_sigmas = Some(false)),
            (Variable::Model, |r| r.model.adapter = Some("plus".into())),
            (Variable::Size, |r| (r.settings.width, r.settings.height) = (Some(512), Some(768))),
            (Variable::LongPrompt, |r| r.settings.long_prompt = LongPrompt::Chunk),
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
        let changed = vec![Variable::Style, Variable::Steps];
        for reason in [None, Some(" ")] {
            let refusal = delta.check(&seeds("1"), &seeds("2"), reason).unwrap_err();
            assert_eq!(refusal, Refusal::TwoVariables { changed: changed.clone() });
        }
        assert_eq!(delta.check(&seeds("1"), &seeds("1"), Some("is it the style at all?")), Ok(()));
    }

    #[test]
    fn more_seeds_are_replicates_and_the_same_seeds_are_nothing() {
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
