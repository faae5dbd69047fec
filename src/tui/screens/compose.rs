//! Compose: the five prompt blocks in their order, the settings beside them, and what the one-variable rule says while
//! the change against the parent grows.

use std::fmt::Write as _;

use crokey::KeyCombination;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::store::runs::NewRun;
use crate::studio::controls::{Control, Controls};
use crate::studio::delta::{Delta, Variable};
use crate::studio::ids::RunId;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::reference::{Reference, State};
use crate::studio::run::{Model, Recipe, Run, Seeds};
use crate::studio::settings::{AdapterScale, Sampler, Settings};
use crate::studio::subject::Subject;
use crate::tui::action::Action;
use crate::tui::app::{App, Popup, Purpose, Usual};
use crate::tui::effect::{Effect, Tokens};
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::change;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::lines::fit;

/// A line of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Block(Block),
    Negative,
    Reference,
    Guidance,
    AdapterWeight,
    Steps,
    Scheduler,
    Seeds,
}

const FIELDS: [Field; 12] = [
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
    /// The prompt that was counted last, and what came of it.
    tokens: Option<(String, Tokens)>,
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
            tokens: None,
        }
    }

    /// The text encoder's room that a prompt takes.
    pub fn count(&mut self, prompt: &str, count: Tokens) {
        self.tokens = Some((prompt.to_owned(), count));
    }

    /// Of a preset: several variables may change at once, and the rule says so.
    pub fn take_settings(&mut self, settings: Settings) {
        self.recipe.settings = settings;
    }

    /// Asks for it, if the prompt is another one.
    fn counting(&self) -> Vec<Effect> {
        let prompt = self.recipe.prompt.assembled();
        match &self.tokens {
            Some((counted, _)) if *counted == prompt => Vec::new(),
            _ => vec![Effect::CountTokens { model: self.recipe.model.clone(), prompt }],
        }
    }

    fn field(&self) -> Field {
        FIELDS[self.field]
    }

    fn delta(&self) -> Option<Delta> {
        let parent = self.parent.as_ref()?;
        Some(Delta::between(&parent.recipe, &self.recipe, |recipe| self.reference_name(recipe)))
    }

    fn reference_name(&self, recipe: &Recipe) -> String {
        let found = self.references.iter().find(|reference| Some(reference.id) == recipe.reference);
        found.map_or("none".to_owned(), |reference| reference.name.to_string())
    }

    /// What the rule says to the run as it stands; None if it may be queued.
    fn objection(&self) -> Option<String> {
        let seeds: Seeds = match self.seeds.parse() {
            Ok(seeds) => seeds,
            Err(error) => return Some(crate::studio::run::BadSeeds::to_string(&error)),
        };
        if self.recipe.prompt.assembled().is_empty() {
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
    let usable = references.iter().filter(|reference| reference.state == State::Approved);
    compose.recipe.reference = usable.max_by_key(|reference| reference.name.number).map(|reference| reference.id);
    if let Some(parent) = &parent {
        compose.recipe = parent.recipe.clone();
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

pub fn paste(app: &mut App, text: &str) {
    if let Some(input) = &mut app.compose.typing {
        input.paste(text);
    }
}

/// A key while a field is typed in.
pub fn key(app: &mut App, key: KeyCombination) -> Vec<Effect> {
    let compose = &mut app.compose;
    let Some(input) = &mut compose.typing else { return Vec::new() };
    let name = key.to_string().to_lowercase();
    match name.as_str() {
        "esc" => compose.typing = None,
        "enter" | "tab" | "shift-tab" | "backtab" | "up" | "down" => {
            let value = input.value().trim().to_owned();
            keep(compose, &value, &mut app.notice);
            let forward = matches!(name.as_str(), "enter" | "tab" | "down");
            if name != "enter" {
                move_field(compose, forward);
                edit(compose);
            }
            return compose.counting();
        }
        _ => {
            input.key(key);
        }
    }
    Vec::new()
}

/// Takes what was typed, if it can be meant.
fn keep(compose: &mut Compose, value: &str, notice: &mut Option<String>) {
    compose.typing = None;
    let mut number = |low: f64, high: f64| {
        let value = value.parse().ok().filter(|value: &f64| (low..=high).contains(value));
        if value.is_none() {
            *notice = Some(format!("A number from {low} to {high} belongs here."));
        }
        value
    };
    let settings = &mut compose.recipe.settings;
    match FIELDS[compose.field] {
        Field::Block(block) => compose.recipe.prompt.set(block, value),
        Field::Negative => compose.recipe.prompt.set_negative(value),
        Field::Guidance => settings.guidance_scale = number(0.0, 50.0).unwrap_or(settings.guidance_scale),
        Field::AdapterWeight => {
            if let Some(weight) = number(0.0, 3.0) {
                settings.adapter_scale = AdapterScale::Uniform(weight);
            }
        }
        Field::Steps => settings.steps = number(1.0, 1000.0).map_or(settings.steps, |steps| steps as usize),
        Field::Seeds => match value.parse::<Seeds>() {
            Ok(_) => value.clone_into(&mut compose.seeds),
            Err(error) => *notice = Some(error.to_string()),
        },
        Field::Reference | Field::Scheduler => {}
    }
}

fn move_field(compose: &mut Compose, forward: bool) {
    let step = if forward { 1 } else { FIELDS.len() - 1 };
    compose.field = (compose.field + step) % FIELDS.len();
}

/// Opens the field for typing, where it is typed.
fn edit(compose: &mut Compose) {
    let (prompt, settings) = (&compose.recipe.prompt, &compose.recipe.settings);
    let text = match compose.field() {
        Field::Block(block) => prompt.block(block).to_owned(),
        Field::Negative => prompt.negative().to_owned(),
        Field::Guidance => settings.guidance_scale.to_string(),
        Field::AdapterWeight => match &settings.adapter_scale {
            AdapterScale::Uniform(weight) => weight.to_string(),
            AdapterScale::PerBlock(_) => String::new(),
        },
        Field::Steps => settings.steps.to_string(),
        Field::Seeds => compose.seeds.clone(),
        Field::Reference | Field::Scheduler => return,
    };
    compose.typing = Some(Input::with(&text));
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let compose = &mut app.compose;
    match action {
        Action::Down | Action::NextField => move_field(compose, true),
        Action::Up | Action::PreviousField => move_field(compose, false),
        Action::First => compose.field = 0,
        Action::Last => compose.field = FIELDS.len() - 1,
        Action::Edit | Action::Open => match compose.field() {
            Field::Reference | Field::Scheduler => turn(compose, true),
            _ => edit(compose),
        },
        Action::More => turn(compose, true),
        Action::Less => turn(compose, false),
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

/// One step up or down for what is not text.
fn turn(compose: &mut Compose, up: bool) {
    let by = if up { 1.0 } else { -1.0 };
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let field = compose.field();
    let settings = &mut compose.recipe.settings;
    match field {
        Field::Guidance => settings.guidance_scale = hundredths((settings.guidance_scale + 0.5 * by).clamp(0.0, 50.0)),
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
            let usable = compose.references.iter().filter(|reference| reference.state == State::Approved);
            let choices: Vec<_> = std::iter::once(None).chain(usable.map(|reference| Some(reference.id))).collect();
            compose.recipe.reference = beside(&choices, &compose.recipe.reference, up);
        }
        Field::Block(_) | Field::Negative | Field::Seeds => {}
    }
}

/// The choice after or before this one, in a ring.
fn beside<T: Copy + PartialEq>(choices: &[T], now: &T, up: bool) -> T {
    let at = choices.iter().position(|choice| choice == now).unwrap_or(0);
    choices[(at + if up { 1 } else { choices.len() - 1 }) % choices.len()]
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
        profile: compose.parent.as_ref().and_then(|parent| parent.profile.clone()),
        ..NewRun::new(subject, compose.recipe.clone(), seeds)
    };
    vec![Effect::AddRun(Box::new(new))]
}

pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let side = (area.width / 3).clamp(26, 60);
    let [form, panel] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(2).areas(area);
    draw_form(app, frame, form);
    frame.render_widget(beside_form(app), panel);
}

/// Columns of a field's name.
const NAME: u16 = 15;

fn draw_form(app: &App, frame: &mut Frame, area: Rect) {
    let (compose, theme) = (&app.compose, &app.theme);
    let changed: Vec<Variable> = compose.delta().map(|delta| delta.variables()).unwrap_or_default();
    // Prompt blocks have two rows where there is room, everything else one.
    let tall = area.height as usize >= FIELDS.len() + 12;
    let mut y = area.y;
    for (number, field) in FIELDS.into_iter().enumerate() {
        let text_field = matches!(field, Field::Block(_) | Field::Negative);
        let height = if tall && text_field { 2 } else { 1 };
        if y + height > area.bottom() {
            break;
        }
        let here = number == compose.field;
        let mark = match variable(field).is_some_and(|variable| changed.contains(&variable)) {
            true => "Δ",
            false => " ",
        };
        let style = theme.style(if here { Role::Selected } else { Role::Faint });
        let name = format!("{}{mark} {}", if here { "▸" } else { " " }, name(field));
        frame.render_widget(Line::styled(name, style), Rect::new(area.x, y, NAME.min(area.width), 1));
        let value = Rect::new(area.x + NAME + 1, y, area.width.saturating_sub(NAME + 1), height);
        match &compose.typing {
            Some(input) if here => input.draw(frame, Rect { height: 1, ..value }, theme, true),
            _ => {
                let text =
                    Paragraph::new(shown(compose, field)).style(theme.style(Role::Text)).wrap(Wrap { trim: true });
                frame.render_widget(text, value);
            }
        }
        y += height;
    }
    let rest = Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y));
    frame.render_widget(verdict(compose, theme), rest);
}

/// The change against the parent, and what the rule says to it.
fn verdict<'a>(compose: &Compose, theme: &Theme) -> Paragraph<'a> {
    let mut text = vec![Line::raw("")];
    match (&compose.parent, compose.delta()) {
        (Some(parent), Some(delta)) => {
            text.push(Line::styled(format!("against {}", parent.task), theme.style(Role::Faint)));
            text.extend(change::lines(&delta, theme));
        }
        _ => text.push(Line::styled("the first run: the baseline to be", theme.style(Role::Faint))),
    }
    if let Some(reason) = &compose.debug {
        text.push(Line::styled(format!("debugging: {}", fit(reason, 120)), theme.style(Role::Warning)));
    }
    if let Some((_, Tokens { used, room })) = &compose.tokens {
        let (over, role) = if used > room { (": the rest is not read", Role::Warning) } else { ("", Role::Faint) };
        text.push(Line::styled(format!("{used} of {room} tokens{over}"), theme.style(role)));
    }
    match compose.objection() {
        Some(objection) => text.push(Line::styled(format!("! {objection}"), theme.style(Role::Warning))),
        None => text.push(Line::styled("✓ may be queued", theme.style(Role::Approved))),
    }
    Paragraph::new(text).wrap(Wrap { trim: true })
}

/// What the control under the cursor does, and where its use goes wrong.
fn beside_form<'a>(app: &App) -> Paragraph<'a> {
    let (compose, theme) = (&app.compose, &app.theme);
    let mut text = Vec::new();
    let field = compose.field();
    if let Some(control) = control(field) {
        text.push(Line::styled(control.name.clone(), theme.style(Role::Title)));
        for (label, words) in [("strongly", &control.strong), ("weakly", &control.weak), ("misused", &control.misuse)] {
            text.push(Line::from(vec![
                Span::styled(format!("{label}: "), theme.style(Role::Accent)),
                Span::styled(words.clone(), theme.style(Role::Text)),
            ]));
        }
        let value = match field {
            Field::Guidance => Some(compose.recipe.settings.guidance_scale),
            Field::Steps => Some(compose.recipe.settings.steps as f64),
            Field::AdapterWeight => match compose.recipe.settings.adapter_scale {
                AdapterScale::Uniform(weight) => Some(weight),
                AdapterScale::PerBlock(_) => None,
            },
            _ => None,
        };
        if let Some(warning) = value.and_then(|value| control.warning(value)) {
            text.push(Line::styled(format!("! {warning}"), theme.style(Role::Warning)));
        }
    }
    Paragraph::new(text).wrap(Wrap { trim: true })
}

fn control(field: Field) -> Option<&'static Control> {
    let key = match field {
        Field::Block(_) | Field::Negative => "prompt",
        Field::Reference => "reference",
        Field::AdapterWeight => "adapter-weight",
        Field::Guidance => "guidance",
        Field::Steps => "steps",
        Field::Scheduler => "scheduler",
        Field::Seeds => "seeds",
    };
    Controls::embedded().get(key)
}

fn variable(field: Field) -> Option<Variable> {
    Some(match field {
        Field::Block(block) => block.into(),
        Field::Negative => Variable::Negative,
        Field::Reference => Variable::Reference,
        Field::Guidance => Variable::Guidance,
        Field::AdapterWeight => Variable::AdapterWeight,
        Field::Steps => Variable::Steps,
        Field::Scheduler => Variable::Scheduler,
        Field::Seeds => return None,
    })
}

fn name(field: Field) -> &'static str {
    match field {
        Field::Block(block) => block.name(),
        Field::Negative => "negative",
        Field::Reference => "reference",
        Field::Guidance => "guidance",
        Field::AdapterWeight => "adapter",
        Field::Steps => "steps",
        Field::Scheduler => "scheduler",
        Field::Seeds => "seeds",
    }
}

fn shown(compose: &Compose, field: Field) -> String {
    let (prompt, settings) = (&compose.recipe.prompt, &compose.recipe.settings);
    let text = match field {
        Field::Block(block) => prompt.block(block).to_owned(),
        Field::Negative => prompt.negative().to_owned(),
        Field::Reference => compose.reference_name(&compose.recipe),
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
        Field::Seeds => compose.seeds.clone(),
    };
    if text.is_empty() { "–".to_owned() } else { crate::studio::text::clean(&text) }
}

pub fn heading(app: &App) -> String {
    let whose = app.subject.as_ref().map_or(String::new(), |chosen| chosen.handle.to_string());
    match &app.compose.parent {
        Some(parent) => format!("{whose}, from {}", parent.task),
        None => format!("{whose}, a first run"),
    }
}
