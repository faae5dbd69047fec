//! Compose: the five prompt blocks in their order, the settings beside them, and what the one-variable rule says while
//! the change against the parent grows.

mod fields;
mod view;

pub use view::{heading, view};

use std::borrow::Cow;

use crokey::KeyCombination;

use crate::service::models::TokenCount;
use crate::store::presets::Preset;
use crate::store::runs::NewRun;
use crate::studio::delta::Delta;
use crate::studio::ids::RunId;
use crate::studio::prompt::Prompt;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::reference::{Reference, ReferenceState};
use crate::studio::run::Run;
use crate::studio::seeds::Seeds;
use crate::studio::subject::Subject;
use crate::tui::action::Action;
use crate::tui::app::{App, Popup, Purpose, Usual};
use crate::tui::effect::Effect;
use crate::tui::widgets::input::Input;

use fields::{FIELDS, Field};

#[derive(Debug)]
pub struct Compose {
    recipe: Recipe,
    seeds: String,
    parent: Option<Run>,
    references: Vec<Reference>,
    field: usize,
    /// The text of the field that is being typed in.
    typing: Option<Input>,
    debug: Option<String>,
    /// The preset that the settings come from, be it the parent's.
    profile: Option<String>,
    /// The prompt that was counted last, and what came of it.
    tokens: Option<(String, TokenCount)>,
}

impl Compose {
    pub fn new(usual: &Usual) -> Self {
        Self {
            recipe: empty(usual),
            seeds: SEEDS.to_owned(),
            parent: None,
            references: Vec::new(),
            field: 0,
            typing: None,
            debug: None,
            profile: None,
            tokens: None,
        }
    }

    /// The text encoder's room that a prompt takes.
    pub fn count(&mut self, prompt: &str, count: TokenCount) {
        self.tokens = Some((prompt.to_owned(), count));
    }

    /// Of a preset: several variables may change at once, and the rule says so.
    pub fn take_preset(&mut self, preset: Preset) {
        self.recipe.settings = preset.settings;
        self.profile = Some(preset.name);
    }

    /// Asks for it, if the prompt is another one.
    fn counting(&self) -> Vec<Effect> {
        let prompt = self.as_typed().prompt.assembled();
        match &self.tokens {
            Some((counted, _)) if *counted == prompt => Vec::new(),
            _ => vec![Effect::CountTokens { model: self.recipe.model.clone(), prompt }],
        }
    }

    fn field(&self) -> Field {
        FIELDS[self.field]
    }

    /// To the next field or the one before, in a ring.
    fn step(&mut self, forward: bool) {
        let by = if forward { 1 } else { FIELDS.len() - 1 };
        self.field = (self.field + by) % FIELDS.len();
    }

    /// Opens the field for typing, where it is typed.
    fn edit(&mut self) {
        let field = self.field();
        let text = self.text(field);
        self.typing = match field {
            Field::Reference | Field::Scheduler => None,
            Field::Block(_) | Field::Negative => Some(Input::wrapped(&text)),
            _ => Some(Input::with(text.trim())),
        };
    }

    fn delta(&self) -> Option<Delta> {
        let parent = self.parent.as_ref()?;
        Some(Delta::between(&parent.recipe, &self.as_typed(), |recipe| self.reference_name(recipe)))
    }

    /// The run as it would be with what is being typed.
    fn as_typed(&self) -> Cow<'_, Recipe> {
        let Some(input) = self.typing.as_ref().filter(|_| self.field().is_text()) else {
            return Cow::Borrowed(&self.recipe);
        };
        let mut recipe = self.recipe.clone();
        match self.field() {
            Field::Block(block) => recipe.prompt.set(block, input.value()),
            _ => recipe.prompt.set_negative(input.value()),
        }
        Cow::Owned(recipe)
    }

    fn reference_name(&self, recipe: &Recipe) -> String {
        let found = self.references.iter().find(|reference| Some(reference.id) == recipe.reference);
        found.map_or("none".to_owned(), |reference| reference.name.to_string())
    }

    /// What the rule says to the run as it stands; None if it may be queued.
    fn objection(&self) -> Option<String> {
        let seeds: Seeds = match self.seeds.parse() {
            Ok(seeds) => seeds,
            Err(error) => return Some(crate::studio::seeds::BadSeeds::to_string(&error)),
        };
        if self.as_typed().prompt.assembled().is_empty() {
            return Some("the prompt is empty; say at least who is in the picture".to_owned());
        }
        let parent = self.parent.as_ref()?;
        let refused = self.delta()?.check(&parent.seeds, &seeds, self.debug.as_deref());
        refused.err().map(|refusal| refusal.to_string())
    }
}

/// Fewer pictures say little about a setting.
const SEEDS: &str = "0x3";

fn empty(usual: &Usual) -> Recipe {
    Recipe {
        prompt: Prompt::new(),
        reference: None,
        settings: usual.settings.clone(),
        model: Model::named(&usual.checkpoint),
    }
}

/// From a run, or from the subject's newest.
pub fn start(app: &App, parent: Option<RunId>) -> Vec<Effect> {
    app.subject_id().map_or(Vec::new(), |subject| vec![Effect::LoadStart { subject, parent }])
}

pub fn started(app: &mut App, subject: &Subject, references: Vec<Reference>, parent: Option<Run>) -> Vec<Effect> {
    if app.subject_id() != Some(subject.id) {
        return Vec::new();
    }
    let mut compose = Compose::new(&app.usual);
    let usable = references.iter().filter(|reference| reference.state == ReferenceState::Approved);
    compose.recipe.reference = usable.max_by_key(|reference| reference.name.number).map(|reference| reference.id);
    if let Some(parent) = &parent {
        compose.recipe = parent.recipe.clone();
        compose.profile.clone_from(&parent.profile);
        let seeds = parent.seeds.as_slice().iter().map(u64::to_string);
        compose.seeds = seeds.collect::<Vec<_>>().join(",");
    }
    (compose.parent, compose.references) = (parent, references);
    app.compose = compose;
    app.compose.counting()
}

/// Whether keys are text.
pub fn typing(app: &App) -> bool {
    app.compose.typing.is_some()
}

pub fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    let Some(input) = &mut app.compose.typing else { return Vec::new() };
    input.paste(text);
    app.compose.counting()
}

/// A key while a field is typed in.
pub fn key(app: &mut App, key: KeyCombination) -> Vec<Effect> {
    let compose = &mut app.compose;
    let Some(input) = &mut compose.typing else { return Vec::new() };
    let name = key.to_string().to_lowercase();
    match name.as_str() {
        // Within words of several lines these two move among the lines first.
        "up" | "down" if input.to_line(name == "down") => {}
        // Leaving keeps what was typed, whichever way.
        "esc" | "enter" | "tab" | "shift-tab" | "backtab" | "up" | "down" => {
            let value = input.value().trim().to_owned();
            compose.typing = None;
            app.notice = compose.take(compose.field(), &value).err();
            if !matches!(name.as_str(), "enter" | "esc") {
                compose.step(matches!(name.as_str(), "tab" | "down"));
                compose.edit();
            }
            return compose.counting();
        }
        _ => {
            input.key(key);
            return compose.counting();
        }
    }
    Vec::new()
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let compose = &mut app.compose;
    match action {
        Action::Down | Action::NextField => compose.step(true),
        Action::Up | Action::PreviousField => compose.step(false),
        Action::First => compose.field = 0,
        Action::Last => compose.field = FIELDS.len() - 1,
        Action::Edit | Action::Open if compose.field().is_chosen() => compose.turn(compose.field(), true),
        Action::Edit | Action::Open => compose.edit(),
        Action::More => compose.turn(compose.field(), true),
        Action::Less => compose.turn(compose.field(), false),
        Action::Submit => return submit(app),
        Action::Presets => {
            app.popups.push(Popup::Presets { presets: Vec::new(), selected: 0 });
            return vec![Effect::LoadPresets];
        }
        Action::KeepPreset => match &compose.parent {
            Some(parent) => {
                let question = format!("A name for the settings of {}", parent.task);
                app.popups.push(Popup::Ask { question, input: Input::default(), purpose: Purpose::PresetName });
            }
            None => app.notice = Some("A preset is made of a run's settings; there is no parent yet.".to_owned()),
        },
        Action::Debug => {
            let question = "Why several variables change at once (kept with the run)".to_owned();
            let input = Input::with(compose.debug.as_deref().unwrap_or_default());
            app.popups.push(Popup::Ask { question, input, purpose: Purpose::DebugReason });
        }
        _ => {}
    }
    Vec::new()
}

pub fn keep_preset(app: &App, name: &str) -> Vec<Effect> {
    match &app.compose.parent {
        Some(parent) if !name.is_empty() => vec![Effect::AddPreset { name: name.to_owned(), run: parent.id }],
        _ => Vec::new(),
    }
}

pub fn debug(app: &mut App, reason: &str) {
    app.compose.debug = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
}

fn submit(app: &mut App) -> Vec<Effect> {
    if let Some(objection) = app.compose.objection() {
        app.notice = Some(format!("Not yet: {objection}"));
        return Vec::new();
    }
    let (Some(subject), Ok(seeds)) = (app.subject_id(), app.compose.seeds.parse()) else { return Vec::new() };
    let compose = &app.compose;
    let new = NewRun {
        parent: compose.parent.as_ref().map(|parent| parent.id),
        debug_reason: compose.debug.clone(),
        profile: compose.profile.clone(),
        ..NewRun::new(subject, compose.recipe.clone(), seeds)
    };
    vec![Effect::AddRun(Box::new(new))]
}
