//! Compose: the form for a new run, with the changes against its parent and what the one-variable rule says to them.
//!
//! Letters are typed into the selected field. Enter and Esc leave the field; then letters are commands, until a field is
//! selected again. Each subject has its own draft, which stays until it is queued or discarded.

mod draft;
mod fields;
mod values;
mod view;

use std::collections::BTreeMap;

use crokey::KeyCombination;
use crokey::crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;

use self::draft::{Draft, Mode};
use self::fields::FIELDS;
use super::{LOADING, Screen, placeholder};
use crate::studio::ids::{RunId, SubjectId};
use crate::tui::action::Action;
use crate::tui::command::{Answer, Command};
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::jobs::{Finished, Job};
use crate::tui::effects::reads::{Loaded, Read};
use crate::tui::keymap::is_text;
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::presets::Presets;
use crate::tui::layers::prompt::Prompt;
use crate::tui::pictures::Pictures;
use crate::tui::screen_id::ScreenId;
use crate::tui::selection::{Select, SelectedSubject};
use crate::tui::widgets::hints::Hint;

#[derive(Debug, Default)]
pub struct Compose {
    drafts: BTreeMap<SubjectId, Draft>,
    /// The run to start from when the screen comes to the front.
    branch: Option<RunId>,
    /// The subject whose draft is being queued.
    submitted: Option<SubjectId>,
}

impl Compose {
    /// Makes the next draft start from a run instead of the newest one.
    pub fn branch_from(&mut self, run: RunId) {
        self.branch = Some(run);
    }

    /// The names of the subjects whose drafts would be lost.
    pub fn unsaved(&self) -> Vec<&str> {
        let changed = self.drafts.values().filter(|draft| draft.is_changed());
        changed.map(|draft| draft.subject.name.as_str()).collect()
    }

    fn draft(&self, context: &Context) -> Option<&Draft> {
        self.drafts.get(&context.selection.subject_id()?)
    }

    fn draft_mut(&mut self, context: &Context) -> Option<&mut Draft> {
        self.drafts.get_mut(&context.selection.subject_id()?)
    }
}

/// Loads what a draft starts from.
fn start(subject: SubjectId, parent: Option<RunId>) -> Command {
    Command::Effect(Read::Start { subject, parent }.into())
}

/// The key for a command in the draft's mode.
fn key_of(draft: &Draft, context: &Context, action: Action) -> String {
    match draft.mode {
        Mode::Commands => context.key_of(action),
        _ => context.keymap.key_while_typing(context.screen, action).unwrap_or_else(|| context.key_of(action)),
    }
}

fn count(draft: &Draft) -> Vec<Command> {
    draft.count_tokens().map(Command::Effect).into_iter().collect()
}

/// Whether a key starts typing in a selected field.
fn starts_typing(key: KeyCombination) -> bool {
    let crokey::OneToThree::One(code) = key.codes else { return false };
    is_text(key)
        || matches!(code, KeyCode::Backspace | KeyCode::Delete)
        || (key.modifiers == KeyModifiers::CONTROL && matches!(code, KeyCode::Char('w' | 'u')))
}

impl Screen for Compose {
    fn key(&mut self, context: &Context, key: KeyCombination) -> Option<Vec<Command>> {
        let Some(draft) = self.draft_mut(context) else {
            // Letters typed before the draft is there are not commands.
            return is_text(key).then(Vec::new);
        };
        if matches!(draft.mode, Mode::Field) && starts_typing(key) {
            if draft.field().is_chosen() {
                let [less, more] = [Action::Less, Action::More].map(|action| context.key_of(action));
                return Some(vec![Command::Notice(format!("{less} {more} choose the {}.", draft.field().name()))]);
            }
            draft.start_typing(is_text(key));
        }
        let Mode::Typing(input) = &mut draft.mode else { return None };
        input.key(key).then(|| count(draft))
    }

    fn paste(&mut self, context: &Context, text: &str) -> Vec<Command> {
        let Some(draft) = self.draft_mut(context) else { return Vec::new() };
        if matches!(draft.mode, Mode::Field) {
            draft.start_typing(true);
        }
        let Mode::Typing(input) = &mut draft.mode else { return Vec::new() };
        input.paste(text);
        count(draft)
    }

    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let draft = self.draft_mut(context)?;
        match action {
            Action::Up | Action::Down => {
                let below = action == Action::Down;
                if let Mode::Typing(input) = &mut draft.mode
                    && input.to_line(below)
                {
                    return Some(Vec::new());
                }
                Some(leave_field(draft, |draft| draft.next_field(below)))
            }
            Action::NextField => Some(leave_field(draft, |draft| draft.next_field(true))),
            Action::PreviousField => Some(leave_field(draft, |draft| draft.next_field(false))),
            Action::First => Some(leave_field(draft, |draft| draft.select_field(0))),
            Action::Last => Some(leave_field(draft, |draft| draft.select_field(FIELDS.len() - 1))),
            Action::Edit | Action::Open => Some(enter_key(draft)),
            Action::More | Action::Less if !draft.is_typing() => {
                draft.mode = Mode::Field;
                draft.step_value(draft.field(), action == Action::More);
                Some(Vec::new())
            }
            Action::Back if !matches!(draft.mode, Mode::Commands) => {
                let invalid = draft.finish_typing().err();
                draft.mode = Mode::Commands;
                Some(invalid.map(Command::Notice).into_iter().chain(count(draft)).collect())
            }
            Action::Submit | Action::Presets | Action::SavePreset | Action::Debug | Action::Discard => {
                Some(match draft.finish_typing() {
                    Ok(()) => self.command(context, action),
                    Err(invalid) => vec![Command::Notice(invalid)],
                })
            }
            _ => None,
        }
    }

    fn answer(&mut self, context: &Context, answer: Answer) -> Vec<Command> {
        let Some(subject) = context.selection.subject_id() else { return Vec::new() };
        let Some(draft) = self.drafts.get_mut(&subject) else { return Vec::new() };
        match answer {
            Answer::DebugReason(reason) => draft.debug_reason = Some(reason).filter(|reason| !reason.is_empty()),
            Answer::Preset(preset) => draft.use_preset(*preset),
            Answer::DiscardDraft => {
                self.drafts.remove(&subject);
                return vec![start(subject, None)];
            }
            Answer::Filter(_) | Answer::Adding(_) => {}
        }
        Vec::new()
    }

    fn enter(&mut self, context: &Context, _: ScreenId) -> Vec<Command> {
        let Some(subject) = context.selection.subject_id() else { return Vec::new() };
        let branch = self.branch.take();
        let Some(draft) = self.drafts.get_mut(&subject) else { return vec![start(subject, branch)] };
        draft.mode = Mode::Field;
        match branch {
            Some(run) if draft.is_changed() => {
                let question = format!("Replace the draft for {}?", draft.subject.name);
                let consequence = "The draft is lost. The new one starts from the selected run.";
                let layer = Confirm::new(question, consequence, move || vec![start(subject, Some(run))]);
                vec![Command::Open(Box::new(layer)), start(subject, None)]
            }
            branch => vec![start(subject, branch)],
        }
    }

    fn leave(&mut self, context: &Context) -> Vec<Command> {
        let invalid = self.draft_mut(context).and_then(|draft| draft.finish_typing().err());
        invalid.map(Command::Notice).into_iter().collect()
    }

    /// Nothing: a draft changes only by keys.
    fn reload(&self, _: &Context) -> Vec<Effect> {
        Vec::new()
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        match loaded {
            Loaded::Start { start, is_branch } => {
                let subject = start.subject.id;
                let newest = start.parent.as_ref().map(|run| run.id);
                match self.drafts.get_mut(&subject) {
                    Some(draft) if !is_branch && draft.stays(newest) => draft.references = start.references,
                    _ => drop(self.drafts.insert(subject, Draft::new(*start, is_branch, &context.defaults))),
                }
                self.drafts.get(&subject).map_or(Vec::new(), count)
            }
            Loaded::Tokens { prompt, count } => {
                if let Some(draft) = self.draft_mut(context) {
                    draft.tokens = Some((prompt, count));
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn finished(&mut self, context: &Context, finished: &Finished) -> Vec<Command> {
        match finished {
            Finished::Queued(run) if self.submitted == Some(run.subject) => {
                self.submitted = None;
                self.drafts.remove(&run.subject);
                let subject = SelectedSubject { id: run.subject, handle: run.task.subject.clone() };
                match context.screen {
                    ScreenId::Compose => {
                        vec![Command::Select(Select::Run(subject, run.id)), Command::Go(ScreenId::Queue)]
                    }
                    _ => Vec::new(),
                }
            }
            Finished::AlreadyQueued(run) if self.submitted == Some(run.subject) => {
                self.submitted = None;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn job_failed(&mut self) {
        self.submitted = None;
    }

    fn heading(&self, context: &Context) -> String {
        let handle = context.selection.handle();
        let Some(draft) = self.draft(context) else { return handle.to_owned() };
        let from = match &draft.parent {
            Some(parent) => format!("from {}", parent.task),
            None => "first run".to_owned(),
        };
        let changed = if draft.is_changed() { " · draft" } else { "" };
        format!("{handle} · {from}{changed}")
    }

    fn hints(&self, context: &Context) -> Vec<Hint> {
        let Some(draft) = self.draft(context) else { return Vec::new() };
        let named = |action: Action, description: &str| Hint::Named(action, description.to_owned());
        match draft.mode {
            Mode::Commands => {
                let discard = draft.can_discard().then_some(Hint::Action(Action::Discard));
                let others = Hint::all([Action::Submit, Action::Edit, Action::Debug, Action::Presets]);
                [Hint::Mode("commands".to_owned())]
                    .into_iter()
                    .chain(others)
                    .chain(discard)
                    .chain([Hint::Action(Action::Back)])
                    .collect()
            }
            Mode::Field if draft.field().is_chosen() => vec![
                Hint::Mode(format!("choose {}", draft.field().name())),
                named(Action::More, "next"),
                named(Action::NextField, "next field"),
                named(Action::Submit, "queue run"),
                named(Action::Back, "leave field"),
            ],
            Mode::Field | Mode::Typing(_) => vec![
                Hint::Mode(format!("type {}", draft.field().name())),
                named(Action::Edit, if draft.is_typing() { "done" } else { "edit" }),
                named(Action::NextField, "next field"),
                named(Action::Submit, "queue run"),
                named(Action::Back, "leave field"),
            ],
        }
    }

    fn takes_text(&self, context: &Context) -> bool {
        self.draft(context).is_none_or(|draft| !matches!(draft.mode, Mode::Commands))
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        match self.draft(context) {
            Some(draft) => view::draw(draft, context, frame, area, pictures),
            None => placeholder(context, frame, area, LOADING),
        }
    }
}

/// Leaves the field with what was typed and goes to another one; stays if the text is invalid.
fn leave_field(draft: &mut Draft, go: impl FnOnce(&mut Draft)) -> Vec<Command> {
    match draft.finish_typing() {
        Ok(()) => {
            go(draft);
            count(draft)
        }
        Err(invalid) => vec![Command::Notice(invalid)],
    }
}

/// Enter: opens the field, or ends typing and leaves it.
fn enter_key(draft: &mut Draft) -> Vec<Command> {
    match draft.mode {
        Mode::Commands => draft.mode = Mode::Field,
        Mode::Field if draft.field().is_chosen() => draft.step_value(draft.field(), true),
        Mode::Field => draft.start_typing(false),
        Mode::Typing(_) => match draft.finish_typing() {
            Ok(()) => {
                draft.mode = Mode::Commands;
                return count(draft);
            }
            Err(invalid) => return vec![Command::Notice(invalid)],
        },
    }
    Vec::new()
}

impl Compose {
    /// Does a command of the form.
    fn command(&mut self, context: &Context, action: Action) -> Vec<Command> {
        let Some(draft) = self.draft(context) else { return Vec::new() };
        let notice = |text: String| vec![Command::Notice(text)];
        let open = |prompt: Prompt| vec![Command::Open(Box::new(prompt))];
        match action {
            Action::Submit => self.submit(context),
            Action::Presets => {
                vec![Command::Open(Box::new(Presets::default())), Command::Effect(Read::Presets.into())]
            }
            Action::SavePreset => match &draft.parent {
                Some(parent) => {
                    let run = parent.id;
                    open(Prompt::new(&format!("Save the settings of {} as preset", parent.task), "", move |name| {
                        match name.is_empty() {
                            true => Err("Type a name for the preset.".to_owned()),
                            false => Ok(vec![Command::Effect(Job::AddPreset { name: name.to_owned(), run }.into())]),
                        }
                    }))
                }
                None => notice("A preset takes a run's settings. Queue a first run.".to_owned()),
            },
            Action::Debug => {
                let reason = draft.debug_reason.as_deref().unwrap_or_default();
                open(Prompt::new("Why change several things at once? (kept with the run)", reason, |reason| {
                    Ok(vec![Command::Answer(Answer::DebugReason(reason.to_owned()))])
                }))
            }
            _ if !draft.can_discard() => notice("Nothing to discard.".to_owned()),
            _ => {
                let question = format!("Discard the draft for {}?", draft.subject.name);
                let consequence = "The form starts again from the newest run.";
                let layer = Confirm::new(question, consequence, || vec![Command::Answer(Answer::DiscardDraft)]);
                vec![Command::Open(Box::new(layer))]
            }
        }
    }

    fn submit(&mut self, context: &Context) -> Vec<Command> {
        let Some(draft) = self.draft(context) else { return Vec::new() };
        let subject = draft.subject.id;
        if self.submitted == Some(subject) {
            return vec![Command::Notice("Queueing this run …".to_owned())];
        }
        if let Some(objection) = draft.objection(&key_of(draft, context, Action::Debug)) {
            return vec![Command::Notice(format!("Can't queue: {objection}"))];
        }
        let Some(new) = draft.new_run() else { return Vec::new() };
        self.submitted = Some(subject);
        vec![Command::Effect(Job::AddRun(Box::new(new)).into())]
    }
}
