//! What a run changed compared with its parent.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::place;
use crate::studio::delta::Delta;
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::theme::Role;
use crate::tui::widgets::change;

#[derive(Debug)]
pub struct Changes {
    title: String,
    delta: Delta,
}

impl Changes {
    pub fn new(title: String, delta: Delta) -> Self {
        Self { title, delta }
    }
}

impl Layer for Changes {
    fn handle(&mut self, _: &Context, action: Action) -> Vec<Command> {
        match action {
            Action::Back | Action::Open => vec![Command::Close],
            _ => Vec::new(),
        }
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::centred(body, 76, 12)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let inner = place::draw_frame(frame, area, &self.title, theme);
        let mut text = change::lines(&self.delta, theme);
        if text.is_empty() {
            text.push(Line::styled("Only the seeds.", theme.style(Role::Faint)));
        }
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), inner);
    }
}
