//! Draws the application: the title line, the screen, the message line, the key hints, and layers over them.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::action::Action;
use super::app::App;
use super::pictures::Pictures;
use super::screen_id::ScreenId;
use super::theme::Role;
use super::widgets::hints::Hint;
use super::widgets::lines::fit;

/// The smallest terminal that is drawn on, in cells.
pub const MIN_SIZE: (u16, u16) = (60, 18);
/// Columns that the names of all screens need.
const TABS: u16 = 110;

pub fn view(app: &App, frame: &mut Frame, pictures: &mut Pictures) {
    pictures.begin();
    let area = frame.area();
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        let text = format!(
            "Terminal too small: {}×{}. pentimento needs at least {}×{}.",
            area.width, area.height, MIN_SIZE.0, MIN_SIZE.1
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let area = Rect { height: area.height - 1, ..area };
    let [title, body, message, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)])
            .areas(area);
    let body = Rect { x: body.x + 1, width: body.width - 2, ..body };
    frame.render_widget(title_line(app, title.width), title);
    app.front().view(&app.context, frame, body, pictures);
    frame.render_widget(message_line(app, message.width), message);
    frame.render_widget(hint_line(app, keys.width), keys);
    for layer in &app.layers {
        layer.view(&app.context, frame, layer.area(&app.context, body));
    }
    app.context.theme.paint(frame.buffer_mut());
}

/// The area of the front layer.
pub fn layer_area(app: &App) -> Option<Rect> {
    app.layers.last().map(|layer| layer.area(&app.context, app.context.body()))
}

fn title_line(app: &App, width: u16) -> Line<'static> {
    let (theme, front) = (&app.context.theme, app.context.screen);
    let standstill = app.screens.queue.standstill(app.context.now);
    let (running, role) = match (app.running(), standstill) {
        (Some(run), _) => (format!("▶ {} {}/{} ", run.task, run.progress.step, run.progress.steps), Role::Running),
        (None, Some(why)) => (format!("{why} "), Role::Warning),
        (None, None) => (String::new(), Role::Running),
    };
    let named = ScreenId::ALL.into_iter().filter(|screen| width >= TABS || *screen == front);
    let tab = |screen: ScreenId| {
        let role = if screen == front { Role::Title } else { Role::Faint };
        Span::styled(format!(" {screen} "), theme.style(role))
    };
    let mut spans: Vec<Span> = named.map(tab).collect();
    let names: usize = spans.iter().map(Span::width).sum();
    let room = (width as usize).saturating_sub(names + running.width() + 2);
    let heading = fit(&app.front().heading(&app.context), room);
    let gap = " ".repeat(room.saturating_sub(heading.width()) + 1);
    spans.push(Span::styled(format!(" {heading}"), theme.style(Role::Text)));
    spans.push(Span::raw(gap));
    spans.push(Span::styled(running, theme.style(role)));
    Line::from(spans)
}

/// The newest error, which stays until it is dismissed, or a notice, which stays until the next key.
fn message_line(app: &App, width: u16) -> Line<'static> {
    let (context, theme) = (&app.context, &app.context.theme);
    if let Some(problem) = app.problems.last() {
        let more = if app.problems.len() > 1 { format!(" ({} more)", app.problems.len() - 1) } else { String::new() };
        let [details, dismiss] = [Action::Details, Action::Dismiss].map(|action| context.key_of(action));
        let keys = format!("{more}  {details} details · {dismiss} dismiss");
        let room = (width as usize).saturating_sub(keys.width() + 3);
        return Line::from(vec![
            Span::styled(format!(" ! {}", fit(&problem.message, room)), theme.style(Role::Danger)),
            Span::styled(keys, theme.style(Role::Faint)),
        ]);
    }
    let text = app.notice.as_deref().map_or(String::new(), |notice| format!(" {}", fit(notice, width as usize - 2)));
    Line::styled(text, theme.style(Role::Accent))
}

/// The screen's key hints, then those of all screens, as many as fit. Help always has its place.
fn hint_line(app: &App, width: u16) -> Line<'static> {
    let (context, theme) = (&app.context, &app.context.theme);
    let takes_text = app.front().takes_text(context);
    let key = |action: Action| match takes_text {
        true => context.keymap.key_while_typing(context.screen, action),
        false => context.keymap.key(context.screen, action),
    };
    let help = key(Action::Help).map(|key| (key, Action::Help.description().to_owned()));
    let wide = |(key, description): &(String, String)| key.width() + description.width() + 3;
    let mut left = (width as usize).saturating_sub(1 + help.as_ref().map_or(0, wide));
    let mut spans = vec![Span::raw(" ")];
    let mut pairs: Vec<(String, String)> = Vec::new();
    let global = Hint::all([Action::Palette, Action::Quit]);
    for hint in app.front().hints(context).into_iter().chain(global) {
        let (action, description) = match hint {
            Hint::Mode(mode) => {
                let mode = format!("{mode} │ ");
                left = left.saturating_sub(mode.width());
                spans.push(Span::styled(mode, theme.style(Role::Accent)));
                continue;
            }
            Hint::Action(action) => (action, action.description().to_owned()),
            Hint::Named(action, description) => (action, description),
        };
        let Some(pair) = key(action).map(|key| (key, description)).filter(|pair| wide(pair) <= left) else { continue };
        left -= wide(&pair);
        pairs.push(pair);
    }
    for (key, description) in pairs.into_iter().chain(help) {
        spans.push(Span::styled(key, theme.style(Role::Key)));
        spans.push(Span::styled(format!(" {description}  "), theme.style(Role::Faint)));
    }
    Line::from(spans)
}
