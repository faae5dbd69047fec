//! The values of a draft's fields: as text and numbers, set from typed text, and stepped with keys.

use std::fmt::Write as _;

use super::draft::Draft;
use super::fields::Field;
use crate::studio::reference::ReferenceState;
use crate::studio::seeds::Seeds;
use crate::studio::settings::{AdapterScale, Sampler};

impl Draft {
    /// A field's value as text.
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
            Field::Scheduler => settings.sampler.map_or("model default".to_owned(), |sampler| sampler.to_string()),
            Field::Seeds => self.seeds.clone(),
        }
    }

    /// A field's value, if it is a number.
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

    /// Sets a field to what was typed.
    ///
    /// # Errors
    /// If the text is not a value of the field, which then keeps its value.
    pub fn set(&mut self, field: Field, typed: &str) -> Result<(), String> {
        let number = |low: f64, high: f64| {
            let value = typed.parse().ok().filter(|value: &f64| (low..=high).contains(value));
            value.ok_or_else(|| format!("invalid {} {typed:?}: use a number from {low} to {high}", field.name()))
        };
        let before = self.text(field);
        let settings = &mut self.recipe.settings;
        match field {
            Field::Block(block) => self.recipe.prompt.set(block, typed),
            Field::Negative => self.recipe.prompt.set_negative(typed),
            Field::Guidance => settings.guidance_scale = number(0.0, 50.0)?,
            // Weights per block can be shown, but not typed.
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

    /// Steps a number, or goes to the next choice. Does nothing to text.
    pub fn step_value(&mut self, field: Field, up: bool) {
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
                settings.sampler = neighbour(&choices, &settings.sampler, up);
            }
            Field::Reference => {
                let usable = self.references.iter().filter(|reference| reference.state == ReferenceState::Approved);
                let choices: Vec<_> = std::iter::once(None).chain(usable.map(|reference| Some(reference.id))).collect();
                self.recipe.reference = neighbour(&choices, &self.recipe.reference, up);
            }
            Field::Block(_) | Field::Negative | Field::Seeds => {}
        }
    }
}

/// The next or previous choice, in a ring.
fn neighbour<T: Copy + PartialEq>(choices: &[T], now: &T, up: bool) -> T {
    let at = choices.iter().position(|choice| choice == now).unwrap_or(0);
    choices[(at + if up { 1 } else { choices.len() - 1 }) % choices.len()]
}
