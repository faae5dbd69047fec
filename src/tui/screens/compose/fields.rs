//! The lines of the form: what each is called, which variable of a run it is, and how it is changed.

use std::fmt::Write as _;

use super::Compose;
use crate::studio::controls::{Control, Controls};
use crate::studio::prompt::Block;
use crate::studio::reference::ReferenceState;
use crate::studio::seeds::Seeds;
use crate::studio::settings::{AdapterScale, Sampler};
use crate::studio::variable::Variable;

/// A line of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Block(Block),
    Negative,
    Reference,
    Guidance,
    AdapterWeight,
    Steps,
    Scheduler,
    Seeds,
}

/// The form, from top to bottom.
pub const FIELDS: [Field; 12] = [
    Field::Block(Block::Subject),
    Field::Block(Block::Camera),
    Field::Block(Block::Lighting),
    Field::Block(Block::Style),
    Field::Block(Block::Constraints),
    Field::Negative,
    Field::Reference,
    Field::Guidance,
    Field::AdapterWeight,
    Field::Steps,
    Field::Scheduler,
    Field::Seeds,
];

impl Field {
    pub fn name(self) -> &'static str {
        match self {
            Self::Block(block) => block.name(),
            Self::Negative => "negative",
            Self::Reference => "reference",
            Self::Guidance => "guidance",
            Self::AdapterWeight => "adapter",
            Self::Steps => "steps",
            Self::Scheduler => "scheduler",
            Self::Seeds => "seeds",
        }
    }

    /// Whether it is words, which may need several lines.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Block(_) | Self::Negative)
    }

    /// Whether it is chosen instead of typed.
    pub fn is_chosen(self) -> bool {
        matches!(self, Self::Reference | Self::Scheduler)
    }

    pub fn variable(self) -> Option<Variable> {
        Some(match self {
            Self::Block(block) => block.into(),
            Self::Negative => Variable::Negative,
            Self::Reference => Variable::Reference,
            Self::Guidance => Variable::Guidance,
            Self::AdapterWeight => Variable::AdapterWeight,
            Self::Steps => Variable::Steps,
            Self::Scheduler => Variable::Scheduler,
            Self::Seeds => return None,
        })
    }

    /// What is known of what it does.
    pub fn control(self) -> Option<&'static Control> {
        Controls::embedded().get(match self {
            Self::Block(_) | Self::Negative => "prompt",
            Self::Reference => "reference",
            Self::AdapterWeight => "adapter-weight",
            Self::Guidance => "guidance",
            Self::Steps => "steps",
            Self::Scheduler => "scheduler",
            Self::Seeds => "seeds",
        })
    }
}

impl Compose {
    /// A field's content as it is read, and typed.
    pub fn text(&self, field: Field) -> String {
        let (prompt, settings) = (&self.recipe.prompt, &self.recipe.settings);
        match field {
            Field::Block(block) => prompt.block(block).to_owned(),
            Field::Negative => prompt.negative().to_owned(),
            Field::Reference => self.reference_name(&self.recipe),
            Field::Guidance => settings.guidance_scale.to_string(),
            Field::AdapterWeight => match &settings.adapter_scale {
                AdapterScale::Uniform(weight) => weight.to_string(),
                AdapterScale::PerBlock(blocks) => blocks.iter().fold(String::new(), |mut text, (name, weight)| {
                    let _ = write!(text, "{name}={weight} ");
                    text
                }),
            },
            Field::Steps => settings.steps.to_string(),
            Field::Scheduler => settings.sampler.map_or("the model's own".to_owned(), |sampler| sampler.to_string()),
            Field::Seeds => self.seeds.clone(),
        }
    }

    /// A field's value where it is a number.
    pub fn number(&self, field: Field) -> Option<f64> {
        let settings = &self.recipe.settings;
        match field {
            Field::Guidance => Some(settings.guidance_scale),
            Field::Steps => Some(settings.steps as f64),
            Field::AdapterWeight => match settings.adapter_scale {
                AdapterScale::Uniform(weight) => Some(weight),
                AdapterScale::PerBlock(_) => None,
            },
            _ => None,
        }
    }

    /// Takes what was typed into a field.
    ///
    /// # Errors
    /// What belongs there instead; the field is as it was.
    pub fn take(&mut self, field: Field, typed: &str) -> Result<(), String> {
        let number = |low: f64, high: f64| {
            let value = typed.parse().ok().filter(|value: &f64| (low..=high).contains(value));
            value.ok_or_else(|| format!("A number from {low} to {high} belongs here."))
        };
        let before = self.text(field);
        let settings = &mut self.recipe.settings;
        match field {
            Field::Block(block) => self.recipe.prompt.set(block, typed),
            Field::Negative => self.recipe.prompt.set_negative(typed),
            Field::Guidance => settings.guidance_scale = number(0.0, 50.0)?,
            // Weights by block are shown, not typed.
            Field::AdapterWeight if before.trim() == typed => {}
            Field::AdapterWeight => settings.adapter_scale = AdapterScale::Uniform(number(0.0, 3.0)?),
            Field::Steps => settings.steps = number(1.0, 1000.0)? as usize,
            Field::Seeds => {
                typed.parse::<Seeds>().map_err(|error| error.to_string())?;
                typed.clone_into(&mut self.seeds);
            }
            Field::Reference | Field::Scheduler => {}
        }
        Ok(())
    }

    /// One step up or down for what is not text.
    pub fn turn(&mut self, field: Field, up: bool) {
        let by = if up { 1.0 } else { -1.0 };
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        let settings = &mut self.recipe.settings;
        match field {
            Field::Guidance => {
                settings.guidance_scale = hundredths((settings.guidance_scale + 0.5 * by).clamp(0.0, 50.0));
            }
            Field::AdapterWeight => {
                if let AdapterScale::Uniform(weight) = settings.adapter_scale {
                    settings.adapter_scale = AdapterScale::Uniform(hundredths((weight + 0.05 * by).clamp(0.0, 3.0)));
                }
            }
            Field::Steps => settings.steps = (settings.steps as f64 + by).clamp(1.0, 1000.0) as usize,
            Field::Scheduler => {
                let choices: Vec<Option<Sampler>> = std::iter::once(None).chain(Sampler::ALL.map(Some)).collect();
                settings.sampler = beside(&choices, &settings.sampler, up);
            }
            Field::Reference => {
                let usable = self.references.iter().filter(|reference| reference.state == ReferenceState::Approved);
                let choices: Vec<_> = std::iter::once(None).chain(usable.map(|reference| Some(reference.id))).collect();
                self.recipe.reference = beside(&choices, &self.recipe.reference, up);
            }
            Field::Block(_) | Field::Negative | Field::Seeds => {}
        }
    }
}

/// The choice after or before this one, in a ring.
fn beside<T: Copy + PartialEq>(choices: &[T], now: &T, up: bool) -> T {
    let at = choices.iter().position(|choice| choice == now).unwrap_or(0);
    choices[(at + if up { 1 } else { choices.len() - 1 }) % choices.len()]
}
