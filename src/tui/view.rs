//! Draws the state: a line of title, the screen, messages, the keys. Changes nothing.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::action::Action;
use super::app::{App, Popup};
use super::pictures::Pictures;
use super::screens::{Place, compose, lineage, queue, references, review, runs, subjects};
use super::theme::Role;
use super::update::palette_lines;
use super::widgets::change;
use super::widgets::lines::fit;
use crate::studio::consent::Right;

/// Below so many cells there is one line of text and nothing else.
pub const LEAST: (u16, u16) = (60, 18);

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame) {
    pictures.begin();
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("This needs {}×{} cells; here are {}×{}.", LEAST.0, LEAST.1, area.width, area.height);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let area = Rect { height: area.height - 1, ..area };
    let [title, body, message, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)])
            .areas(area);
    frame.render_widget(title_line(app, title.width), title);
    let body = Rect { x: body.x + 1, width: body.width - 2, ..body };
    screen(app, pictures, frame, body);
    frame.render_widget(message_line(app, message.width), message);
    frame.render_widget(keys_line(app, keys.width), keys);
    for popup in &app.popups {
        draw_popup(app, popup, frame, body);
    }
}

impl App {
    /// The screen's place: below the title, above messages and keys, with a column free on either side. Nothing is
    /// drawn on the last row: a picture or a character there makes some terminals scroll.
    pub fn body(&self) -> Rect {
        let (columns, rows) = self.size;
        Rect::new(1, 1, columns.saturating_sub(2), rows.saturating_sub(4))
    }

    pub fn body_rows(&self) -> usize {
        self.body().height.into()
    }

    /// How a person presses this here, for texts.
    pub fn key_of(&self, action: Action) -> String {
        self.keymap.key(self.place, action).unwrap_or_else(|| action.name().to_owned())
    }
}

fn screen(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    match app.place {
        Place::Subjects => subjects::view(app, pictures, frame, area),
        Place::References => references::view(app, pictures, frame, area),
        Place::Compose => compose::view(app, frame, area),
        Place::Runs => runs::view(app, pictures, frame, area),
        Place::Review => review::view(app, pictures, frame, area),
        Place::Queue => queue::view(app, pictures, frame, area),
        Place::Lineage => lineage::view(app, frame, area),
    }
}

fn title_line(app: &App, width: u16) -> Line<'static> {
    let theme = &app.theme;
    let heading = match app.place {
        Place::Subjects => subjects::heading(app),
        Place::References => references::heading(app),
        Place::Compose => compose::heading(app),
        Place::Runs => runs::heading(app),
        Place::Review => review::heading(app),
        Place::Queue => queue::heading(app),
        Place::Lineage => lineage::heading(app),
    };
    let running = match app.queue.running() {
        Some(run) => format!("▶ {} {}/{} ", run.task, run.progress.step, run.progress.steps),
        None => String::new(),
    };
    let place = format!(" {} ", app.place);
    let room = (width as usize).saturating_sub(place.width() + running.width() + 2);
    let heading = fit(&heading, room);
    let gap = " ".repeat(room.saturating_sub(heading.width()) + 2);
    Line::from(vec![
        Span::styled(place, theme.style(Role::Title)),
        Span::styled(heading, theme.style(Role::Faint)),
        Span::raw(gap),
        Span::styled(running, theme.style(Role::Running)),
    ])
}

/// What went wrong stays until it is put away; what went right is there until the next key.
fn message_line(app: &App, width: u16) -> Line<'static> {
    let theme = &app.theme;
    if let Some(problem) = app.problems.last() {
        let more = if app.problems.len() > 1 { format!(" ({} more)", app.problems.len() - 1) } else { String::new() };
        let keys = format!("{more}  {} whole, {} away", app.key_of(Action::Details), app.key_of(Action::Dismiss));
        let room = (width as usize).saturating_sub(keys.width() + 3);
        return Line::from(vec![
            Span::styled(format!(" ! {}", fit(&problem.what, room)), theme.style(Role::Danger)),
            Span::styled(keys, theme.style(Role::Faint)),
        ]);
    }
    let text = app.notice.as_deref().map_or(String::new(), |notice| format!(" {}", fit(notice, width as usize - 2)));
    Line::styled(text, theme.style(Role::Accent))
}

/// The keys that matter most here, as many as fit.
fn keys_line(app: &App, width: u16) -> Line<'static> {
    let theme = &app.theme;
    let mut spans = vec![Span::raw(" ")];
    // What leads to all the others has its place before anything else gets one.
    let help = app.keymap.key(app.place, Action::Help).map_or(0, |key| key.width() + Action::Help.about().width() + 3);
    let mut used = 1 + help;
    for action in footer(app.place).iter().chain(&[Action::Palette, Action::Quit, Action::Help]) {
        if *action == Action::Help {
            used -= help;
        }
        let Some(key) = app.keymap.key(app.place, *action) else { continue };
        let about = action.about();
        let wide = key.width() + about.width() + 3;
        if used + wide > width as usize {
            continue;
        }
        used += wide;
        spans.push(Span::styled(key, theme.style(Role::Key)));
        spans.push(Span::styled(format!(" {about}  "), theme.style(Role::Faint)));
    }
    Line::from(spans)
}

fn footer(place: Place) -> &'static [Action] {
    match place {
        Place::Subjects => &[
            Action::Open,
            Action::Again,
            Action::Compose,
            Action::GoReferences,
            Action::AddSubject,
            Action::Grant,
            Action::Filter,
            Action::GoQueue,
        ],
        Place::References => &[
            Action::Approve,
            Action::Reject,
            Action::Retire,
            Action::Withdraw,
            Action::Import,
            Action::Open,
            Action::Back,
        ],
        Place::Compose => {
            &[Action::Submit, Action::Edit, Action::NextField, Action::More, Action::Less, Action::Debug, Action::Back]
        }
        Place::Runs => &[
            Action::Open,
            Action::Again,
            Action::Branch,
            Action::Filter,
            Action::Sort,
            Action::Grid,
            Action::Everyone,
            Action::Back,
        ],
        Place::Review => &[
            Action::TakeDraft,
            Action::Accept,
            Action::Refuse,
            Action::Again,
            Action::Scores,
            Action::Next,
            Action::Compare,
            Action::Baseline,
        ],
        Place::Queue => &[Action::Pause, Action::Cancel, Action::Retry, Action::Sooner, Action::Later, Action::Back],
        Place::Lineage => &[Action::Branch, Action::Again, Action::GoReview, Action::Compare, Action::Back],
    }
}

/// Where the popup in front lies, if there is one.
pub fn popup_area(app: &App) -> Option<Rect> {
    app.popups.last().map(|popup| place(app, popup, app.body()))
}

fn place(app: &App, popup: &Popup, body: Rect) -> Rect {
    let (width, height) = match popup {
        Popup::Help(_) => (56, app.keymap.lines(app.place).len() as u16 + 2),
        Popup::Palette(_) => (50, 14),
        Popup::Ask { .. } => (72, 3),
        Popup::Path(_) => (76, 12),
        Popup::Presets { .. } => (66, 12),
        Popup::Ground(_) => (60, Right::ALL.len() as u16 + 2),
        Popup::Confirm { .. } => (64, 5),
        Popup::Details(_) | Popup::Delta { .. } => (76, 12),
    };
    centred(body, width, height)
}

fn draw_popup(app: &App, popup: &Popup, frame: &mut Frame, body: Rect) {
    let area = place(app, popup, body);
    let theme = &app.theme;
    let framed = |title: String| {
        Block::bordered().title(title).border_style(theme.style(Role::Border)).title_style(theme.style(Role::Title))
    };
    match popup {
        Popup::Help(scroll) => {
            let lines = app.keymap.lines(app.place);
            let text: Vec<Line> = lines.iter().map(|(action, keys)| help_line(app, *action, &keys.join(" "))).collect();
            frame.render_widget(Clear, area);
            let block = framed(format!(" keys on {} ", app.place));
            frame.render_widget(Paragraph::new(text).block(block).scroll((*scroll, 0)), area);
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
                frame.render_widget(help_line(app, *action, &key).style(style), at);
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
            let names = path
                .found
                .iter()
                .map(|path| Line::styled(fit(last_part(path), list.width.into()), theme.style(Role::Faint)));
            frame.render_widget(Paragraph::new(names.take(list.height.into()).collect::<Vec<_>>()), list);
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
            let lines = Right::ALL.iter().enumerate().map(|(number, right)| {
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
            let mut text = vec![Line::styled(crate::studio::text::clean(&problem.what), theme.style(Role::Danger))];
            if let Some(rule) = problem.rule {
                text.push(Line::styled(format!("rule: {rule}"), theme.style(Role::Warning)));
            }
            for cause in &problem.causes {
                text.push(Line::styled(
                    format!("because {}", crate::studio::text::clean(cause)),
                    theme.style(Role::Text),
                ));
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

fn help_line(app: &App, action: Action, keys: &str) -> Line<'static> {
    let theme = &app.theme;
    let failure = action.failure().and_then(|number| crate::studio::failures::Failures::embedded().all().get(number));
    let about = failure.map_or(action.about(), |failure| failure.name.as_str());
    Line::from(vec![
        Span::styled(format!("{keys:>16}  "), theme.style(Role::Key)),
        Span::styled(about.to_owned(), theme.style(Role::Text)),
    ])
}

fn centred(body: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    Rect::new(body.x + (body.width - width) / 2, body.y + (body.height - height) / 2, width, height)
}
