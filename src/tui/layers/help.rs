//! Help: the keys of the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use super::{action_line, place};
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;

/// The narrowest and the widest column.
const COLUMN: (u16, u16) = (37, 56);

#[derive(Debug, Default)]
pub struct Help {
    scroll: usize,
}

impl Layer for Help {
    fn handle(&mut self, context: &Context, action: Action) -> Vec<Command> {
        match action {
            Action::Up => self.scroll = self.scroll.saturating_sub(1),
            Action::Down => {
                let hidden = hidden_rows(&lines(context), context.body());
                self.scroll = (self.scroll + 1).min(hidden);
            }
            Action::Back | Action::Open => return vec![Command::Close],
            _ => {}
        }
        Vec::new()
    }

    fn area(&self, context: &Context, body: Rect) -> Rect {
        let count = lines(context).len() as u16;
        let columns = columns(count, body);
        place::centred(body, columns * width(columns, body) + 2, count.div_ceil(columns) + 2)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let (lines, theme) = (lines(context), &context.theme);
        let body = context.body();
        let hidden = hidden_rows(&lines, body);
        let title = match hidden {
            0 => format!("Keys: {}", context.screen),
            _ => format!("Keys: {} (↓ more)", context.screen),
        };
        let inner = place::draw_frame(frame, area, &title, theme);
        let columns = columns(lines.len() as u16, body);
        let width = width(columns, body);
        let rows = lines.len().div_ceil(columns.into());
        for (column, lines) in lines.chunks(rows.max(1)).enumerate() {
            let shown = lines.iter().skip(self.scroll.min(hidden));
            let text: Vec<Line> =
                shown.map(|(action, keys)| action_line::line(*action, &keys.join(" "), width, theme)).collect();
            let place = Rect { x: inner.x + column as u16 * width, width, ..inner }.intersection(inner);
            frame.render_widget(Paragraph::new(text), place);
        }
    }
}

/// The actions of the screen with their keys.
fn lines(context: &Context) -> Vec<(Action, Vec<String>)> {
    context.keymap.lines(context.screen).into_iter().filter(|(action, _)| action.is_available()).collect()
}

/// As many columns as are needed to show all lines, and as fit.
fn columns(count: u16, body: Rect) -> u16 {
    let room = (body.width.saturating_sub(2) / COLUMN.0).max(1);
    count.div_ceil(body.height.saturating_sub(2).max(1)).clamp(1, room)
}

fn width(columns: u16, body: Rect) -> u16 {
    (body.width.saturating_sub(2) / columns.max(1)).min(COLUMN.1)
}

/// Rows that do not fit.
fn hidden_rows(lines: &[(Action, Vec<String>)], body: Rect) -> usize {
    let count = lines.len() as u16;
    let rows = count.div_ceil(columns(count, body));
    rows.saturating_sub(Block::bordered().inner(body).height).into()
}
