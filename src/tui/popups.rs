//! What lies over the screen: help, commands, questions, choices, the whole of a message.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::action::Action;
use super::app::{App, Popup};
use super::theme::Role;
use super::update::palette_lines;
use super::widgets::change;
use super::widgets::lines::fit;
use crate::studio::consent::ConsentKind;
use crate::studio::text::clean;

/// Draws all of them, the front one last.
pub fn view(app: &App, frame: &mut Frame, body: Rect) {
    for popup in &app.popups {
        draw(app, popup, frame, body);
    }
}

/// Where the popup in front lies, if there is one.
pub fn area(app: &App) -> Option<Rect> {
    app.popups.last().map(|popup| place(app, popup, app.body()))
}

fn place(app: &App, popup: &Popup, body: Rect) -> Rect {
    let (width, height) = match popup {
        Popup::Help(_) => {
            let count = helped(app).len() as u16;
            let columns = help_columns(count, body);
            (columns * help_width(columns, body) + 2, count.div_ceil(columns) + 2)
        }
        Popup::Palette(_) => (50, 14),
        Popup::Ask { .. } => (72, 3),
        Popup::Path(_) => (76, 12),
        Popup::Presets { .. } => (66, 12),
        Popup::Ground(_) => (60, ConsentKind::ALL.len() as u16 + 2),
        Popup::Confirm { .. } => (64, 5),
        Popup::Details(_) | Popup::Delta { .. } => (76, 12),
    };
    // Questions are asked below the pictures, where there is room for that.
    match popup {
        Popup::Ask { .. } | Popup::Path(_) => {
            Rect { y: body.bottom() - height.min(body.height), ..centred(body, width, height) }
        }
        _ => centred(body, width, height),
    }
}

fn draw(app: &App, popup: &Popup, frame: &mut Frame, body: Rect) {
    let area = place(app, popup, body);
    let theme = &app.theme;
    let framed = |title: String| {
        Block::bordered().title(title).border_style(theme.style(Role::Border)).title_style(theme.style(Role::Title))
    };
    match popup {
        Popup::Help(scroll) => {
            frame.render_widget(Clear, area);
            let lines = helped(app);
            let inner = Block::bordered().inner(area);
            let columns = help_columns(lines.len() as u16, body);
            let width = help_width(columns, body);
            let rows = lines.len().div_ceil(columns.into());
            let hidden = rows.saturating_sub(inner.height.into());
            let more = if hidden > 0 { ": ↓ shows more" } else { "" };
            frame.render_widget(framed(format!(" keys on {}{more} ", app.place)), area);
            let scroll = usize::from(*scroll).min(hidden);
            for (column, lines) in lines.chunks(rows.max(1)).enumerate() {
                let text: Vec<Line> = lines
                    .iter()
                    .skip(scroll)
                    .map(|(action, keys)| help_line(app, *action, &keys.join(" "), width))
                    .collect();
                let x = inner.x + column as u16 * width;
                let place = Rect { x, width, ..inner }.intersection(inner);
                frame.render_widget(Paragraph::new(text), place);
            }
        }
        Popup::Palette(palette) => {
            let found = palette_lines(&palette.input, &app.keymap, app.place);
            frame.render_widget(Clear, area);
            let block = framed(" commands ".to_owned());
            let inner = block.inner(area);
            frame.render_widget(block, area);
            let [line, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
            palette.input.draw(frame, line, theme);
            let first = (palette.selected + 1).saturating_sub(list.height as usize);
            for (place, action) in found.iter().enumerate().skip(first).take(list.height as usize) {
                let key = app.keymap.key(app.place, *action).unwrap_or_default();
                let style = theme.style(if place == palette.selected { Role::Selected } else { Role::Text });
                let at = Rect { y: list.y + (place - first) as u16, height: 1, ..list };
                frame.render_widget(help_line(app, *action, &key, at.width).style(style), at);
            }
        }
        Popup::Ask { question, input, .. } => {
            frame.render_widget(Clear, area);
            let block = framed(format!(" {} ", fit(question, area.width.saturating_sub(4) as usize)));
            let inner = block.inner(area);
            frame.render_widget(block, area);
            input.draw(frame, inner, theme);
        }
        Popup::Path(path) => {
            frame.render_widget(Clear, area);
            let block = framed(" a picture's path: Tab completes ".to_owned());
            let inner = block.inner(area);
            frame.render_widget(block, area);
            let [line, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
            path.input.draw(frame, line, theme);
            let name = |path: &String| Line::styled(fit(last_part(path), list.width.into()), theme.style(Role::Faint));
            let all = path.found.len() <= list.height.into();
            let shown = if all { path.found.len() } else { usize::from(list.height).saturating_sub(1) };
            let mut names: Vec<Line> = path.found.iter().take(shown).map(name).collect();
            if !all {
                names.push(Line::styled(format!("… and {} more", path.found.len() - shown), theme.style(Role::Faint)));
            }
            frame.render_widget(Paragraph::new(names), list);
        }
        Popup::Presets { presets, selected } => {
            frame.render_widget(Clear, area);
            let lines = presets.iter().enumerate().map(|(number, preset)| {
                let style = theme.style(if number == *selected { Role::Selected } else { Role::Text });
                let settings = &preset.settings;
                let whose = if preset.promoted.is_some() { "✓ the team's" } else { "? on trial" };
                let name = fit(&preset.name, 24);
                let facts = format!("guidance {}, {} steps", settings.guidance_scale, settings.steps);
                Line::styled(format!("{name:<24}  {whose:<13}  {facts}"), style)
            });
            let mut lines: Vec<Line> = lines.collect();
            if lines.is_empty() {
                let key = app.key_of(Action::KeepPreset);
                lines.push(Line::styled(
                    format!("none yet: {key} keeps the parent's settings"),
                    theme.style(Role::Faint),
                ));
            }
            let block = framed(" presets: Enter takes one, p makes it the team's ".to_owned());
            frame.render_widget(Paragraph::new(lines).block(block), area);
        }
        Popup::Ground(chosen) => {
            frame.render_widget(Clear, area);
            let lines = ConsentKind::ALL.iter().enumerate().map(|(number, right)| {
                let style = theme.style(if number == *chosen { Role::Selected } else { Role::Text });
                Line::styled(format!("{:<14}  {}", right.name(), right.about()), style)
            });
            let block = framed(" on what ground may its pictures be used? ".to_owned());
            frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
        }
        Popup::Confirm { question, .. } => {
            frame.render_widget(Clear, area);
            let text = format!("{question}\ny: yes, any other key: no");
            let text = Paragraph::new(text).wrap(Wrap { trim: true }).style(theme.style(Role::Warning));
            frame.render_widget(text.block(framed(" sure? ".to_owned())), area);
        }
        Popup::Delta { title, delta } => {
            frame.render_widget(Clear, area);
            let mut text = change::lines(delta, theme);
            if text.is_empty() {
                text.push(Line::styled("nothing but the seeds", theme.style(Role::Faint)));
            }
            let text = Paragraph::new(text).wrap(Wrap { trim: true });
            frame.render_widget(text.block(framed(format!(" {} ", fit(title, 60)))), area);
        }
        Popup::Details(problem) => {
            let mut text = vec![Line::styled(clean(&problem.what), theme.style(Role::Danger))];
            if let Some(rule) = problem.rule {
                text.push(Line::styled(format!("rule: {rule}"), theme.style(Role::Warning)));
            }
            for cause in &problem.causes {
                text.push(Line::styled(format!("because {}", clean(cause)), theme.style(Role::Text)));
            }
            frame.render_widget(Clear, area);
            let block = framed(" what went wrong ".to_owned());
            frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }).block(block), area);
        }
    }
}

/// The last part of a path, with the separator of a folder.
fn last_part(path: &str) -> &str {
    let end = path.trim_end_matches('/').rfind('/').map_or(0, |at| at + 1);
    &path[end..]
}

/// Columns that a line of help needs, and more than it needs.
const HELP: (u16, u16) = (37, 56);
/// Of these, what the keys need.
const KEYS: usize = 18;

/// What can be done here, with its keys.
fn helped(app: &App) -> Vec<(Action, Vec<String>)> {
    app.keymap.lines(app.place).into_iter().filter(|(action, _)| action.means_something()).collect()
}

/// Side by side where one column is too long.
fn help_columns(count: u16, body: Rect) -> u16 {
    let room = (body.width.saturating_sub(2) / HELP.0).max(1);
    count.div_ceil(body.height.saturating_sub(2).max(1)).clamp(1, room)
}

fn help_width(columns: u16, body: Rect) -> u16 {
    (body.width.saturating_sub(2) / columns.max(1)).min(HELP.1)
}

fn help_line(app: &App, action: Action, keys: &str, width: u16) -> Line<'static> {
    let theme = &app.theme;
    let room = KEYS.min(usize::from(width) * 2 / 5);
    Line::from(vec![
        Span::styled(format!("{:>room$}  ", fit(keys, room)), theme.style(Role::Key)),
        Span::styled(fit(action.about_here(), usize::from(width).saturating_sub(room + 3)), theme.style(Role::Text)),
    ])
}

fn centred(body: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    Rect::new(body.x + (body.width - width) / 2, body.y + (body.height - height) / 2, width, height)
}
