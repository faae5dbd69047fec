//! The values of a draft's fields: as text and numbers, set from typed text, and stepped with keys.

use super::draft::Draft;
use super::fields::Field;
use crate::service::runs;
use crate::studio::reference::ReferenceState;
use crate::studio::seeds::GivenSeeds;
use crate::studio::settings::Sampler;

impl Draft {
    /// A field's value as text.
    pub fn text(&self, field: Field) -> String {
        if let Some(setting) = field.setting() {
            return setting.show(&self.recipe.settings);
        }
        match field {
            Field::Block(block) => self.recipe.prompt.block(block).to_owned(),
            Field::Negative => self.recipe.prompt.negative().to_owned(),
            Field::Reference => self.reference_name(&self.recipe),
            _ => self.seeds.clone(),
        }
    }

    /// A field's value, if it is a number.
    pub fn number(&self, field: Field) -> Option<f64> {
        field.setting()?.number.as_ref()?.get(&self.recipe.settings)
    }

    /// Sets a field to what was typed.
    ///
    /// # Errors
    /// If the text is not a value of the field, which then keeps its value.
    pub fn set(&mut self, field: Field, typed: &str) -> Result<(), String> {
        if let Some(setting) = field.setting() {
            let invalid = |error: String| format!("invalid {} {typed:?}: {error}", field.name());
            return setting.set(&mut self.recipe.settings, typed).map_err(invalid);
        }
        match field {
            Field::Block(block) => self.recipe.prompt.set(block, typed),
            Field::Negative => self.recipe.prompt.set_negative(typed),
            Field::Seeds => {
                let given = GivenSeeds::read(typed, runs::draw_seed).map_err(|error| error.to_string())?;
                // Drawn seeds are shown, so that the run holds the ones on the screen.
                self.seeds = if given.drawn { given.seeds.to_string() } else { typed.to_owned() };
            }
            _ => {}
        }
        Ok(())
    }

    /// Steps a number, or goes to the next choice. Does nothing to text.
    pub fn step_value(&mut self, field: Field, up: bool) {
        let settings = &mut self.recipe.settings;
        if let Some(number) = field.setting().and_then(|setting| setting.number.as_ref()) {
            return number.turn(settings, up);
        }
        match field {
            Field::Scheduler => {
                let choices: Vec<Option<Sampler>> = std::iter::once(None).chain(Sampler::ALL.map(Some)).collect();
                settings.sampler = neighbour(&choices, &settings.sampler, up);
            }
            Field::Reference => {
                let usable = self.references.iter().filter(|reference| reference.state == ReferenceState::Approved);
                let choices: Vec<_> = std::iter::once(None).chain(usable.map(|reference| Some(reference.id))).collect();
                self.recipe.reference = neighbour(&choices, &self.recipe.reference, up);
            }
            _ => {}
        }
    }
}

/// The next or previous choice, in a ring.
fn neighbour<T: Copy + PartialEq>(choices: &[T], now: &T, up: bool) -> T {
    let at = choices.iter().position(|choice| choice == now).unwrap_or(0);
    choices[(at + if up { 1 } else { choices.len() - 1 }) % choices.len()]
}
