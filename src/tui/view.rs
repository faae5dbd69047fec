//! Draws the state: a line of title, the screen, messages, the keys. Changes nothing.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::action::Action;
use super::app::App;
use super::pictures::Pictures;
use super::popups;
use super::screens::{Place, compose, lineage, queue, references, review, runs, subjects};
use super::theme::Role;
use super::widgets::lines::fit;

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
    popups::view(app, frame, body);
    app.theme.paint(frame.buffer_mut());
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
        Place::Compose => compose::view(app, pictures, frame, area),
        Place::Runs => runs::view(app, pictures, frame, area),
        Place::Review => review::view(app, pictures, frame, area),
        Place::Queue => queue::view(app, pictures, frame, area),
        Place::Lineage => lineage::view(app, pictures, frame, area),
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
    // Where there is room, all screens are named, the one in front as it stands out.
    let named = Place::ALL.into_iter().filter(|place| width >= TABS || *place == app.place);
    let mut spans: Vec<Span> = named
        .map(|place| {
            let role = if place == app.place { Role::Title } else { Role::Faint };
            Span::styled(format!(" {place} "), theme.style(role))
        })
        .collect();
    let names: usize = spans.iter().map(Span::width).sum();
    let room = (width as usize).saturating_sub(names + running.width() + 2);
    let heading = fit(&heading, room);
    let gap = " ".repeat(room.saturating_sub(heading.width()) + 1);
    spans.push(Span::styled(format!(" {heading}"), theme.style(Role::Text)));
    spans.push(Span::raw(gap));
    spans.push(Span::styled(running, theme.style(Role::Running)));
    Line::from(spans)
}

/// So many columns have room for the names of all screens.
const TABS: u16 = 110;

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
    if app.place == Place::Compose && compose::typing(app) {
        for (key, about) in [("⏎", "done"), ("tab", "next field"), ("ctrl-w", "word away"), ("ctrl-u", "line away")] {
            spans.push(Span::styled(key, theme.style(Role::Key)));
            spans.push(Span::styled(format!(" {about}  "), theme.style(Role::Faint)));
        }
        return Line::from(spans);
    }
    // What leads to all the others has its place before anything else gets one.
    let help = app.keymap.key(app.place, Action::Help).map_or(0, |key| key.width() + Action::Help.about().width() + 3);
    let mut used = 1 + help;
    for action in footer(app.place).iter().chain(&[Action::Palette, Action::Quit, Action::Help]) {
        if *action == Action::Help {
            used -= help;
        }
        if *action == Action::TakeDraft && !app.review.has_draft() {
            continue;
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
            Action::Flicker,
            Action::Difference,
            Action::Baseline,
        ],
        Place::Queue => &[Action::Pause, Action::Cancel, Action::Retry, Action::Sooner, Action::Later, Action::Back],
        Place::Lineage => &[Action::Branch, Action::Again, Action::GoReview, Action::Compare, Action::Back],
    }
}
