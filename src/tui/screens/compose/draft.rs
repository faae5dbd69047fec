//! A draft: the run that a subject's form describes, compared with its parent.

use std::borrow::Cow;

use super::fields::{FIELDS, Field};
use crate::service::models::TokenCount;
use crate::service::runs::{self, Start};
use crate::store::presets::Preset;
use crate::store::runs::NewRun;
use crate::studio::delta::Delta;
use crate::studio::ids::RunId;
use crate::studio::prompt::Prompt;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::reference::{self, Reference};
use crate::studio::rules::Refusal;
use crate::studio::run::Run;
use crate::studio::seeds::Seeds;
use crate::studio::subject::Subject;
use crate::tui::context::Defaults;
use crate::tui::effects::Effect;
use crate::tui::effects::reads::Read;
use crate::tui::widgets::input::Input;

#[derive(Debug)]
pub struct Draft {
    pub subject: Subject,
    pub parent: Option<Run>,
    /// Whether the parent was chosen; otherwise it is the newest run.
    is_branch: bool,
    pub references: Vec<Reference>,
    pub recipe: Recipe,
    /// As typed.
    pub seeds: String,
    /// Why several variables may change at once.
    pub debug_reason: Option<String>,
    /// The preset that the settings come from.
    pub preset: Option<String>,
    /// The recipe and seeds that the draft started with.
    offered: (Recipe, String),
    /// The prompt that was counted last, and its length.
    pub tokens: Option<(String, TokenCount)>,
    field: usize,
    pub mode: Mode,
}

/// What the keys do.
#[derive(Debug)]
pub enum Mode {
    /// Letters are commands; no field is selected.
    Commands,
    /// A field is selected; the first letter starts typing.
    Field,
    /// Text is being typed into the selected field.
    Typing(Box<Input>),
}

impl Draft {
    /// Starts from the parent, or from the defaults and the newest approved reference.
    pub fn new(start: Start, is_branch: bool, defaults: &Defaults) -> Self {
        let Start { subject, references, parent } = start;
        let (recipe, seeds, preset) = match &parent {
            Some(parent) => {
                let seeds: Vec<String> = parent.seeds.as_slice().iter().map(u64::to_string).collect();
                (parent.recipe.clone(), seeds.join(","), parent.profile.clone())
            }
            None => {
                let recipe = Recipe {
                    prompt: Prompt::new(),
                    reference: reference::newest_approved(&references).map(|reference| reference.id),
                    settings: defaults.settings.clone(),
                    model: Model::named(&defaults.checkpoint),
                };
                (recipe, runs::default_seeds().to_string(), None)
            }
        };
        Self {
            offered: (recipe.clone(), seeds.clone()),
            subject,
            parent,
            is_branch,
            references,
            recipe,
            seeds,
            preset,
            debug_reason: None,
            tokens: None,
            field: 0,
            mode: Mode::Field,
        }
    }

    /// Whether there is work in the draft that would be lost.
    pub fn is_changed(&self) -> bool {
        let typed = match &self.mode {
            Mode::Typing(input) => input.value().trim() != self.text(self.field()).trim(),
            _ => false,
        };
        typed || (&self.recipe, &self.seeds) != (&self.offered.0, &self.offered.1) || self.debug_reason.is_some()
    }

    /// Whether the draft differs from the one that the form would start with.
    pub fn can_discard(&self) -> bool {
        self.is_changed() || self.is_branch
    }

    /// Whether the draft is kept when this is the newest run.
    pub fn stays(&self, newest: Option<RunId>) -> bool {
        self.can_discard() || self.parent.as_ref().map(|parent| parent.id) == newest
    }

    pub fn field(&self) -> Field {
        FIELDS[self.field]
    }

    pub fn is_typing(&self) -> bool {
        matches!(self.mode, Mode::Typing(_))
    }

    /// Opens the selected field for typing: text and numbers with their value, unless it is to be replaced.
    pub fn start_typing(&mut self, replace: bool) {
        let field = self.field();
        let text = self.text(field);
        self.mode = match field {
            _ if field.is_chosen() => Mode::Field,
            _ if field.is_text() => Mode::Typing(Box::new(Input::wrapped(&text))),
            _ if replace => Mode::Typing(Box::default()),
            _ => Mode::Typing(Box::new(Input::with(text.trim()))),
        };
    }

    /// Sets the field to what was typed.
    ///
    /// # Errors
    /// If that is not a value of the field; then the field stays open with the text.
    pub fn finish_typing(&mut self) -> Result<(), String> {
        let Mode::Typing(input) = &self.mode else { return Ok(()) };
        let typed = input.value().trim().to_owned();
        self.set(self.field(), &typed)?;
        self.mode = Mode::Field;
        Ok(())
    }

    /// Selects the next or the previous field, in a ring.
    pub fn next_field(&mut self, forward: bool) {
        let by = if forward { 1 } else { FIELDS.len() - 1 };
        self.select_field((self.field + by) % FIELDS.len());
    }

    pub fn select_field(&mut self, field: usize) {
        (self.field, self.mode) = (field.min(FIELDS.len() - 1), Mode::Field);
    }

    /// Takes a preset's settings. That can change several variables at once; then the rule says so.
    pub fn use_preset(&mut self, preset: Preset) {
        self.recipe.settings = preset.settings;
        self.preset = Some(preset.name);
    }

    /// Counts the prompt's tokens if it has changed since the last count.
    pub fn count_tokens(&self) -> Option<Effect> {
        let prompt = self.as_typed().prompt.assembled();
        let is_counted = self.tokens.as_ref().is_some_and(|(counted, _)| *counted == prompt);
        (!is_counted).then(|| Read::Tokens { model: self.recipe.model.clone(), prompt }.into())
    }

    pub fn delta(&self) -> Option<Delta> {
        let parent = self.parent.as_ref()?;
        Some(Delta::between(&parent.recipe, &self.as_typed(), |recipe| self.reference_name(recipe)))
    }

    /// The recipe with the prompt text that is being typed.
    pub fn as_typed(&self) -> Cow<'_, Recipe> {
        let Mode::Typing(input) = &self.mode else { return Cow::Borrowed(&self.recipe) };
        let mut recipe = self.recipe.clone();
        match self.field() {
            Field::Block(block) => recipe.prompt.set(block, input.value()),
            Field::Negative => recipe.prompt.set_negative(input.value()),
            _ => return Cow::Borrowed(&self.recipe),
        }
        Cow::Owned(recipe)
    }

    pub fn reference_name(&self, recipe: &Recipe) -> String {
        let found = self.references.iter().find(|reference| Some(reference.id) == recipe.reference);
        found.map_or("none".to_owned(), |reference| reference.name.to_string())
    }

    /// Why the draft cannot be queued; None if it can. `debug_key` allows several changes.
    pub fn objection(&self, debug_key: &str) -> Option<String> {
        let seeds = match self.seeds.parse::<Seeds>() {
            Ok(seeds) => seeds,
            Err(error) => return Some(error.to_string()),
        };
        if self.as_typed().prompt.assembled().is_empty() {
            return Some("The prompt is empty. Describe at least who is in the picture.".to_owned());
        }
        let parent = self.parent.as_ref()?;
        let refusal = self.delta()?.check(&parent.seeds, &seeds, self.debug_reason.as_deref()).err()?;
        Some(match &refusal {
            Refusal::NothingChanged => format!("Identical to {}. Change one setting or add seeds.", parent.task),
            Refusal::TwoVariables { changed } => {
                let names: Vec<&str> = changed.iter().map(|variable| variable.name()).collect();
                let (count, names) = (names.len(), names.join(", "));
                let (undo, allow) = if count == 2 { ("one", "both") } else { ("all but one", "them") };
                format!(
                    "You changed {count} things ({names}), so you won't know which one mattered. Undo {undo}, or press \
                     {debug_key} to allow {allow} and say why."
                )
            }
            other => other.to_string(),
        })
    }

    /// The run to queue; None if the seeds are invalid.
    pub fn new_run(&self) -> Option<NewRun> {
        Some(NewRun {
            parent: self.parent.as_ref().map(|parent| parent.id),
            debug_reason: self.debug_reason.clone(),
            profile: self.preset.clone(),
            ..NewRun::new(self.subject.id, self.recipe.clone(), self.seeds.parse().ok()?)
        })
    }
}
