//! What happens next: an event changes the state and asks for effects. Nothing here waits.

use jiff::Timestamp;

use super::action::Action;
use super::app::{App, Palette, Popup, Purpose};
use super::complete::Wish;
use super::effect::Effect;
use super::event::{Completed, Event};
use super::screens::{Place, compose, lineage, queue, references, review, runs, subjects};
use super::widgets::find::find;
use super::widgets::input::Input;
use crate::studio::consent::ConsentKind;
use crokey::KeyCombination;

pub fn update(app: &mut App, event: Event) -> Vec<Effect> {
    app.now = Timestamp::now();
    match event {
        Event::Key(key) => pressed(app, key),
        Event::Paste(text) => {
            match app.popups.last_mut() {
                Some(Popup::Ask { input, .. }) => input.paste(&text),
                Some(Popup::Palette(palette)) => palette.input.paste(&text),
                Some(Popup::Path(line)) => {
                    let wish = line.paste(&text);
                    return grant(app, wish);
                }
                Some(_) => {}
                None if app.place == Place::Compose => return compose::paste(app, &text),
                None => {}
            }
            Vec::new()
        }
        // Pictures have their own state, which the loop tells.
        Event::Redraw | Event::Picture(..) => Vec::new(),
        // The title says what runs, whichever screen is in front.
        Event::Changed => {
            let mut effects = reload(app);
            if app.place != Place::Queue {
                effects.push(Effect::LoadQueue);
            }
            effects
        }
        Event::Alarm => {
            review::alarmed(app);
            Vec::new()
        }
        Event::Completed(completed) => done(app, completed),
        Event::Theme(theme) => {
            app.theme = *theme;
            Vec::new()
        }
        Event::Notice(text) => {
            app.notice = Some(text);
            Vec::new()
        }
    }
}

/// Changes the screen, and loads what it shows.
pub fn go(app: &mut App, place: Place) -> Vec<Effect> {
    if app.subject.is_none() && !matches!(place, Place::Subjects | Place::Runs | Place::Queue) {
        app.notice = Some("Choose a subject first.".to_owned());
        return Vec::new();
    }
    if app.place != place {
        let before = std::mem::replace(&mut app.place, place);
        app.trail.retain(|other| *other != place);
        app.trail.push(before);
    }
    match place {
        Place::Compose => compose::start(app, None),
        Place::Review => review::start(app),
        _ => reload(app),
    }
}

/// Loads what the screen shows once more.
pub fn reload(app: &mut App) -> Vec<Effect> {
    let subject = app.subject_id();
    match (app.place, subject) {
        (Place::Subjects, _) => vec![Effect::LoadSubjects],
        (Place::Runs, _) => runs::load(app),
        (Place::Queue, _) => vec![Effect::LoadQueue],
        (Place::References, Some(subject)) => vec![Effect::LoadReferences(subject)],
        (Place::Lineage, Some(subject)) => vec![Effect::LoadLineage(subject)],
        (Place::Review, _) => review::reload(app),
        _ => Vec::new(),
    }
}

fn pressed(app: &mut App, key: KeyCombination) -> Vec<Effect> {
    app.notice = None;
    if !app.popups.is_empty() {
        return in_popup(app, key);
    }
    if app.place == Place::Compose && compose::typing(app) {
        return compose::key(app, key);
    }
    match app.keymap.action(app.place, key) {
        Some(action) => act(app, action),
        None => Vec::new(),
    }
}

/// Does what an action means on the screen in front.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => {
            app.leaving = true;
        }
        Action::Help => app.popups.push(Popup::Help(0)),
        Action::Palette => app.popups.push(Popup::Palette(Palette::default())),
        Action::Dismiss => {
            app.problems.pop();
        }
        Action::Details => {
            if let Some(problem) = app.problems.last() {
                app.popups.push(Popup::Details(problem.clone()));
            }
        }
        Action::GoSubjects => return go(app, Place::Subjects),
        Action::GoRuns if app.place != Place::Subjects => return go(app, Place::Runs),
        Action::GoRuns => return subjects::enter(app, Place::Runs),
        Action::GoQueue => return go(app, Place::Queue),
        Action::GoReferences | Action::GoCompose | Action::GoLineage if app.place == Place::Subjects => {
            let place = match action {
                Action::GoReferences => Place::References,
                Action::GoCompose => Place::Compose,
                _ => Place::Lineage,
            };
            return subjects::enter(app, place);
        }
        Action::GoReferences => return go(app, Place::References),
        Action::GoCompose => return go(app, Place::Compose),
        Action::GoReview if app.place == Place::Lineage => return lineage::review(app),
        Action::GoReview => return go(app, Place::Review),
        Action::GoLineage => return go(app, Place::Lineage),
        Action::Back => {
            if app.place == Place::Review
                && let Some(effects) = review::undo_mode(app)
            {
                return effects;
            }
            if let Some(place) = app.trail.pop() {
                app.place = place;
                return reload(app);
            }
        }
        other => {
            return match app.place {
                Place::Subjects => subjects::act(app, other),
                Place::References => references::act(app, other),
                Place::Compose => compose::act(app, other),
                Place::Runs => runs::act(app, other),
                Place::Review => review::act(app, other),
                Place::Queue => queue::act(app, other),
                Place::Lineage => lineage::act(app, other),
            };
        }
    }
    Vec::new()
}

fn in_popup(app: &mut App, key: KeyCombination) -> Vec<Effect> {
    let action = app.keymap.action(app.place, key);
    let name = key.to_string().to_lowercase();
    let Some(popup) = app.popups.last_mut() else { return Vec::new() };
    match popup {
        // Some screens have another use for these keys.
        Popup::Help(scroll) => match (action, name.as_str()) {
            (Some(Action::Up), _) | (_, "k" | "up") => *scroll = scroll.saturating_sub(1),
            (Some(Action::Down), _) | (_, "j" | "down") => *scroll = scroll.saturating_add(1),
            _ => {
                app.popups.pop();
            }
        },
        Popup::Details(_) | Popup::Delta { .. } => {
            app.popups.pop();
        }
        Popup::Palette(palette) => match name.as_str() {
            "esc" => {
                app.popups.pop();
            }
            "enter" => {
                let chosen = palette_lines(&palette.input, &app.keymap, app.place).get(palette.selected).copied();
                app.popups.pop();
                return chosen.map_or(Vec::new(), |action| act(app, action));
            }
            "up" => palette.selected = palette.selected.saturating_sub(1),
            "down" => {
                let count = palette_lines(&palette.input, &app.keymap, app.place).len();
                palette.selected = (palette.selected + 1).min(count.saturating_sub(1));
            }
            _ => {
                if palette.input.key(key) {
                    palette.selected = 0;
                }
            }
        },
        Popup::Ask { input, purpose, .. } => match name.as_str() {
            "esc" => {
                app.popups.pop();
            }
            "enter" => {
                let (answer, purpose) = (input.value().trim().to_owned(), purpose.clone());
                app.popups.pop();
                return answered(app, &purpose, &answer);
            }
            _ => {
                if input.key(key) && *purpose == Purpose::Filter && app.place == Place::Subjects {
                    app.subjects.set_filter(input.value());
                }
            }
        },
        Popup::Path(_) if name == "esc" => {
            app.popups.pop();
        }
        Popup::Path(line) => {
            let wish = line.key(key);
            return grant(app, wish);
        }
        Popup::Presets { presets, selected } => match (action, name.as_str()) {
            (_, "esc") => {
                app.popups.pop();
            }
            (_, "enter") => {
                let preset = presets.get(*selected).cloned();
                app.popups.pop();
                if let Some(preset) = preset {
                    app.compose.take_preset(preset);
                }
            }
            (_, "p") => {
                if let Some(preset) = presets.get(*selected) {
                    return vec![Effect::PromotePreset(preset.name.clone()), Effect::LoadPresets];
                }
            }
            (Some(Action::Up), _) => *selected = selected.saturating_sub(1),
            (Some(Action::Down), _) => *selected = (*selected + 1).min(presets.len().saturating_sub(1)),
            _ => {}
        },
        Popup::Ground(chosen) => match (action, name.as_str()) {
            (_, "esc") => {
                app.popups.pop();
            }
            (_, "enter") => {
                let right = ConsentKind::ALL[*chosen];
                let question = format!("{right}: who allowed what, and where is that written down?");
                *popup = Popup::Ask { question, input: Input::default(), purpose: Purpose::Right(right) };
            }
            (Some(Action::Up), _) => *chosen = chosen.saturating_sub(1),
            (Some(Action::Down), _) => *chosen = (*chosen + 1).min(ConsentKind::ALL.len() - 1),
            _ => {}
        },
        Popup::Confirm { purpose, .. } => {
            let purpose = purpose.clone();
            app.popups.pop();
            if name == "y" {
                return answered(app, &purpose, "");
            }
        }
    }
    Vec::new()
}

/// What typing a path asks for.
fn grant(app: &mut App, wish: Wish) -> Vec<Effect> {
    match wish {
        Wish::Nothing => Vec::new(),
        Wish::LookUp(typed) => vec![Effect::Complete(typed)],
        Wish::Take(path) => {
            app.popups.pop();
            references::import(app, &path)
        }
    }
}

/// The actions that the palette offers for what was typed.
pub fn palette_lines(input: &Input, keymap: &super::keymap::Keymap, place: Place) -> Vec<Action> {
    let all: Vec<Action> =
        keymap.lines(place).into_iter().map(|(action, _)| action).filter(|action| action.means_something()).collect();
    let words = all.iter().map(|action| format!("{} {}", action.about_here(), action.name()));
    find(input.value(), words).into_iter().map(|number| all[number]).collect()
}

fn answered(app: &mut App, purpose: &Purpose, answer: &str) -> Vec<Effect> {
    match purpose {
        Purpose::Filter if app.place == Place::Subjects => {
            app.subjects.set_filter(answer);
            Vec::new()
        }
        Purpose::Filter => runs::filter(app, answer),
        Purpose::NewSubject => match crate::studio::subject::Handle::suggest(answer) {
            Some(handle) => vec![Effect::AddSubject { handle, name: answer.to_owned() }, Effect::LoadSubjects],
            None => {
                app.notice = Some("A name needs a letter from a to z, for its short name.".to_owned());
                Vec::new()
            }
        },
        Purpose::SubjectNote => match app.subjects.chosen().map(|line| line.subject.id) {
            Some(subject) => vec![Effect::SetSubjectNote(subject, answer.to_owned()), Effect::LoadSubjects],
            None => Vec::new(),
        },
        Purpose::Right(right) => match app.granted_subject() {
            Some(subject) => vec![Effect::Grant { subject, right: *right, statement: answer.to_owned() }],
            None => Vec::new(),
        },
        Purpose::ReferenceNote | Purpose::Withdraw => references::answered(app, purpose, answer),
        Purpose::ReviewNote | Purpose::Diagnosis => review::answered(app, purpose, answer),
        Purpose::PresetName => compose::keep_preset(app, answer),
        Purpose::DebugReason => {
            compose::debug(app, answer);
            Vec::new()
        }
    }
}

fn done(app: &mut App, completed: Completed) -> Vec<Effect> {
    match completed {
        Completed::Subjects(lines) => app.subjects.set(lines),
        Completed::References { subject, references, consents } => {
            if app.subject_id() == Some(subject) {
                app.references.set(references, consents);
            }
        }
        Completed::Outputs(lines) => {
            let before = app.runs.chosen().cloned();
            app.runs.set(lines);
            let changed = app.runs.chosen() != before.as_ref();
            if app.place == Place::Review && app.review.is_empty() {
                return review::start(app);
            }
            return runs::look(app, changed);
        }
        Completed::Review(reviewed) => app.review.set(*reviewed),
        Completed::Detail(reviewed) => app.detail = Some(*reviewed),
        Completed::Queue { runs, previews, paused, card } => {
            app.queue.set(runs, previews, paused, app.now);
            app.queue.card = card;
        }
        Completed::Lineage { subject, runs } => {
            if app.subject_id() == Some(subject) {
                app.lineage.set(runs);
                return lineage::look(app);
            }
        }
        Completed::Start { subject, references, parent } => {
            return compose::started(app, &subject, references, parent.map(|parent| *parent));
        }
        Completed::Queued(run) => {
            app.notice = Some(format!("{} waits in the queue.", run.task));
            return match app.place {
                Place::Compose => go(app, Place::Queue),
                _ => Vec::new(),
            };
        }
        Completed::Judged(output) => return review::judged(app, output),
        Completed::Done(text) => {
            app.notice = Some(text);
            return reload(app);
        }
        Completed::Presets(new) => {
            if let Some(Popup::Presets { presets, .. }) = app.popups.last_mut() {
                *presets = new;
            }
        }
        Completed::Paths { typed, found } => {
            if let Some(Popup::Path(line)) = app.popups.last_mut() {
                let wish = line.found(typed, found);
                return grant(app, wish);
            }
        }
        Completed::Tokens { prompt, count } => app.compose.count(&prompt, count),
        Completed::Superseded => {}
        Completed::Failed(problem) => app.problems.push(problem),
    }
    Vec::new()
}
