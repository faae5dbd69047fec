//! How the form is drawn: the fields, the change against the parent below them, and beside them what the control under
//! the cursor does.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Compose;
use super::fields::{FIELDS, Field};
use crate::service::models::TokenCount;
use crate::studio::text::clean;
use crate::studio::variable::Variable;
use crate::tui::app::App;
use crate::tui::pictures::{Pictures, Shown};
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::change;
use crate::tui::widgets::lines::{fit, rows_of};

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let side = (area.width / 3).clamp(26, 60);
    let [form, panel] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(2).areas(area);
    draw_form(app, frame, form);
    let text = beside_form(app);
    let rows: usize = text.iter().map(|line| rows_of(&line.to_string(), panel.width.into())).sum();
    let [words, below] = Layout::vertical([Constraint::Length(rows as u16 + 1), Constraint::Fill(1)]).areas(panel);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), words);
    let chosen = app.compose.references.iter().find(|reference| Some(reference.id) == app.compose.recipe.reference);
    if let Some((reference, picture)) = chosen.and_then(|chosen| Some((chosen, chosen.picture.as_ref()?)))
        && below.height >= LEAST_PICTURE
    {
        let height = (below.width / 2).min(below.height - 1);
        let [caption, place, _] =
            Layout::vertical([Constraint::Length(1), Constraint::Length(height), Constraint::Fill(1)]).areas(below);
        let name = fit(&reference.name.to_string(), caption.width.into());
        frame.render_widget(Line::styled(name, app.theme.style(Role::Faint)), caption);
        pictures.draw(frame, place, &Shown::stored(picture), &app.theme);
    }
}

/// Rows that the reference's picture needs to be worth its place.
const LEAST_PICTURE: u16 = 7;

/// Columns of a field's name.
const NAME: u16 = 15;
/// Rows that are kept for the change and the rule; half of them while words are typed.
const VERDICT: u16 = 8;
/// A field that is typed in has at least so many rows, where it is words.
const TYPING: u16 = 3;

fn draw_form(app: &App, frame: &mut Frame, area: Rect) {
    let (compose, theme) = (&app.compose, &app.theme);
    let changed: Vec<Variable> = compose.delta().map(|delta| delta.variables()).unwrap_or_default();
    let width = area.width.saturating_sub(NAME + 1);
    let mut y = area.y;
    for (field, height) in FIELDS.into_iter().zip(heights(compose, width, area.height)) {
        if y + height > area.bottom() {
            break;
        }
        let here = field == compose.field();
        let mark = if field.variable().is_some_and(|variable| changed.contains(&variable)) { "Δ" } else { " " };
        let style = theme.style(if here { Role::Selected } else { Role::Faint });
        let name = format!("{}{mark} {}", if here { "▸" } else { " " }, field.name());
        frame.render_widget(Line::styled(name, style), Rect::new(area.x, y, NAME.min(area.width), 1));
        let value = Rect::new(area.x + NAME + 1, y, width, height);
        match &compose.typing {
            Some(input) if here => input.draw(frame, value, theme),
            _ => {
                let text = Paragraph::new(shown(compose, field, width, height)).style(theme.style(Role::Text));
                frame.render_widget(text.wrap(Wrap { trim: true }), value);
            }
        }
        y += height;
    }
    let rest = Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y));
    frame.render_widget(verdict(compose, theme), rest);
}

/// Rows of each field: one, and what the words need as far as there is room, first where they are typed.
fn heights(compose: &Compose, width: u16, room: u16) -> [u16; FIELDS.len()] {
    let mut heights = [1; FIELDS.len()];
    let here = compose.field();
    let typed = compose.typing.as_ref().filter(|_| here.is_text());
    let kept = if typed.is_some() { VERDICT / 2 } else { VERDICT };
    let mut spare = room.saturating_sub(kept + FIELDS.len() as u16);
    let wanted = |field: Field| {
        let rows = |text: &str| rows_of(text, width.into()).min(usize::from(u16::MAX)) as u16;
        match typed {
            // One more for the cursor, which may stand after a full line.
            Some(input) if field == here => (rows(input.value()) + 1).max(TYPING),
            _ if field.is_text() => rows(&compose.text(field)),
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

/// A field's content, with an ellipsis where its rows are too few.
fn shown(compose: &Compose, field: Field, width: u16, height: u16) -> String {
    let text = clean(&compose.text(field));
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

/// The change against the parent, and what the rule says to it. What a prompt may get wrong will have its place here.
fn verdict<'a>(compose: &Compose, theme: &Theme) -> Paragraph<'a> {
    let mut text = vec![Line::raw("")];
    match (&compose.parent, compose.delta()) {
        (Some(parent), Some(delta)) => {
            let profile = compose.profile.as_ref().map_or(String::new(), |name| format!(", profile {}", fit(name, 40)));
            text.push(Line::styled(format!("against {}{profile}", parent.task), theme.style(Role::Faint)));
            text.extend(change::lines(&delta, theme));
        }
        _ => text.push(Line::styled("the first run: the baseline to be", theme.style(Role::Faint))),
    }
    if let Some(reason) = &compose.debug {
        text.push(Line::styled(format!("debugging: {}", fit(reason, 120)), theme.style(Role::Warning)));
    }
    if let Some((_, TokenCount { used, limit: room })) = &compose.tokens {
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
fn beside_form(app: &App) -> Vec<Line<'static>> {
    let (compose, theme) = (&app.compose, &app.theme);
    let mut text = Vec::new();
    let field = compose.field();
    if let Some(control) = field.control() {
        text.push(Line::styled(control.name.clone(), theme.style(Role::Title)));
        for (label, words) in [("strongly", &control.strong), ("weakly", &control.weak), ("misused", &control.misuse)] {
            text.push(Line::from(vec![
                Span::styled(format!("{label}: "), theme.style(Role::Accent)),
                Span::styled(words.clone(), theme.style(Role::Text)),
            ]));
        }
        if let Some(warning) = compose.number(field).and_then(|value| control.warning(value)) {
            text.push(Line::styled(format!("! {warning}"), theme.style(Role::Warning)));
        }
    }
    text
}

pub fn heading(app: &App) -> String {
    let whose = app.subject.as_ref().map_or(String::new(), |chosen| chosen.handle.to_string());
    match &app.compose.parent {
        Some(parent) => format!("{whose}, from {}", parent.task),
        None => format!("{whose}, a first run"),
    }
}
