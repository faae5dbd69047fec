//! Draws the form: the fields, the changes below them, and beside them what the selected field controls.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::draft::{Draft, Mode};
use super::fields::{FIELDS, Field};
use super::key_of;
use crate::service::models::TokenCount;
use crate::studio::prompt_syntax;
use crate::studio::text::clean;
use crate::studio::variable::Variable;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::pictures::Pictures;
use crate::tui::shown::Shown;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::change;
use crate::tui::widgets::lines::{fit, rows_of};

/// Rows that the reference's picture needs to be worth showing.
const MIN_PICTURE: u16 = 7;
/// Columns of a field's name.
const NAME: u16 = 15;
/// Rows kept for the changes and the rule; half of them while text is typed.
const VERDICT: u16 = 8;
/// Rows that a text field has at least while it is typed into.
const TYPING: u16 = 3;

pub fn draw(draft: &Draft, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
    let theme = &context.theme;
    let side = (area.width / 3).clamp(26, 60);
    let [form, panel] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(2).areas(area);
    draw_form(draft, context, frame, form);
    let text = control(draft, theme);
    let rows: usize = text.iter().map(|line| rows_of(&line.to_string(), panel.width.into())).sum();
    let [words, below] = Layout::vertical([Constraint::Length(rows as u16 + 1), Constraint::Fill(1)]).areas(panel);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), words);
    let chosen = draft.references.iter().find(|reference| Some(reference.id) == draft.recipe.reference);
    if let Some((reference, picture)) = chosen.and_then(|chosen| Some((chosen, chosen.picture.as_ref()?)))
        && below.height >= MIN_PICTURE
    {
        let height = (below.width / 2).min(below.height - 1);
        let [caption, place, _] =
            Layout::vertical([Constraint::Length(1), Constraint::Length(height), Constraint::Fill(1)]).areas(below);
        let name = fit(&reference.name.to_string(), caption.width.into());
        frame.render_widget(Line::styled(name, theme.style(Role::Faint)), caption);
        pictures.draw(frame, place, &Shown::thumbnail(picture), theme);
    }
}

fn draw_form(draft: &Draft, context: &Context, frame: &mut Frame, area: Rect) {
    let theme = &context.theme;
    let changed: Vec<Variable> = draft.delta().map(|delta| delta.variables()).unwrap_or_default();
    let width = area.width.saturating_sub(NAME + 1);
    let is_selected = !matches!(draft.mode, Mode::Commands);
    let mut y = area.y;
    for (field, height) in FIELDS.into_iter().zip(heights(draft, width, area.height)) {
        if y + height > area.bottom() {
            break;
        }
        let here = field == draft.field() && is_selected;
        let mark = if field.variable().is_some_and(|variable| changed.contains(&variable)) { "Δ" } else { " " };
        let style = theme.style(if here { Role::Selected } else { Role::Faint });
        let name = format!("{}{mark} {}", if here { "▸" } else { " " }, field.name());
        frame.render_widget(Line::styled(name, style), Rect::new(area.x, y, NAME.min(area.width), 1));
        let value = Rect::new(area.x + NAME + 1, y, width, height);
        match &draft.mode {
            Mode::Typing(input) if here => input.draw(frame, value, theme),
            _ => {
                let text = Paragraph::new(value_of(draft, field, width, height)).style(theme.style(Role::Text));
                frame.render_widget(text.wrap(Wrap { trim: true }), value);
            }
        }
        y += height;
    }
    let rest = Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y));
    frame.render_widget(verdict(draft, context), rest);
}

/// The rows of each field: one, and more for text as far as there is room, first for the text that is typed.
fn heights(draft: &Draft, width: u16, room: u16) -> [u16; FIELDS.len()] {
    let mut heights = [1; FIELDS.len()];
    let here = draft.field();
    let typed = match &draft.mode {
        Mode::Typing(input) if here.is_text() => Some(input),
        _ => None,
    };
    let kept = if typed.is_some() { VERDICT / 2 } else { VERDICT };
    let mut spare = room.saturating_sub(kept + FIELDS.len() as u16);
    let wanted = |field: Field| {
        let rows = |text: &str| rows_of(text, width.into()).min(usize::from(u16::MAX)) as u16;
        match typed {
            // One more for the cursor, which can stand after a full line.
            Some(input) if field == here => (rows(input.value()) + 1).max(TYPING),
            _ if field.is_text() => rows(&draft.text(field)),
            _ => 1,
        }
    };
    let mut order: Vec<usize> = (0..FIELDS.len()).collect();
    order.sort_by_key(|&at| FIELDS[at] != here);
    for at in order {
        let more = wanted(FIELDS[at]).saturating_sub(1).min(spare);
        heights[at] += more;
        spare -= more;
    }
    heights
}

/// A field's value, cut to its rows.
fn value_of(draft: &Draft, field: Field, width: u16, height: u16) -> String {
    let text = clean(&draft.text(field));
    if text.is_empty() {
        return "–".to_owned();
    }
    let mut room = usize::from(width) * usize::from(height);
    let mut kept = text.clone();
    while rows_of(&kept, width.into()) > height.into() && room > 0 {
        kept = fit(&text, room);
        room -= 1;
    }
    kept
}

/// The changes against the parent, and whether the draft can be queued.
fn verdict(draft: &Draft, context: &Context) -> Paragraph<'static> {
    let theme = &context.theme;
    let mut text = vec![Line::raw("")];
    match (&draft.parent, draft.delta()) {
        (Some(parent), Some(delta)) => {
            let preset = draft.preset.as_ref().map_or(String::new(), |name| format!(", preset {}", fit(name, 40)));
            text.push(Line::styled(format!("Compared with {}{preset}", parent.task), theme.style(Role::Faint)));
            text.extend(change::lines(&delta, theme));
        }
        _ => {
            let name = fit(&draft.subject.name, 40);
            text.push(Line::styled(format!("First run for {name} (no parent)"), theme.style(Role::Faint)));
        }
    }
    if let Some(reason) = &draft.debug_reason {
        let allowed = format!("Several changes allowed: {}", fit(reason, 120));
        text.push(Line::styled(allowed, theme.style(Role::Warning)));
    }
    if let Some((_, TokenCount { used, limit })) = &draft.tokens {
        text.push(match used.checked_sub(*limit).filter(|over| *over > 0) {
            Some(over) => {
                Line::styled(format!("{used}/{limit} tokens: the last {over} are ignored"), theme.style(Role::Warning))
            }
            None => Line::styled(format!("{used}/{limit} tokens"), theme.style(Role::Faint)),
        });
    }
    match draft.objection(&key_of(draft, context, Action::Debug)) {
        Some(objection) => text.push(Line::styled(format!("! {objection}"), theme.style(Role::Warning))),
        None => {
            let ready = format!("✓ Ready: {} queues this run", key_of(draft, context, Action::Submit));
            text.push(Line::styled(ready, theme.style(Role::Approved)));
        }
    }
    let recipe = draft.as_typed();
    let notes = prompt_syntax::notes(&[&recipe.prompt.assembled(), recipe.prompt.negative()]);
    text.extend(notes.iter().map(|note| Line::styled(format!("! {}", clean(note)), theme.style(Role::Warning))));
    Paragraph::new(text).wrap(Wrap { trim: true })
}

/// What the selected field controls, and a warning if its value is outside the useful range.
fn control(draft: &Draft, theme: &Theme) -> Vec<Line<'static>> {
    let mut text = Vec::new();
    let field = draft.field();
    let Some(control) = field.control() else { return text };
    text.push(Line::styled(control.name.clone(), theme.style(Role::Title)));
    for (label, words) in
        [("Controls", &control.strong), ("Barely affects", &control.weak), ("Watch out", &control.misuse)]
    {
        text.push(Line::from(vec![
            Span::styled(format!("{label}: "), theme.style(Role::Accent)),
            Span::styled(words.clone(), theme.style(Role::Text)),
        ]));
    }
    if let Some(warning) = draft.number(field).and_then(|value| control.warning(value)) {
        text.push(Line::styled(format!("! {warning}"), theme.style(Role::Warning)));
    }
    text
}
