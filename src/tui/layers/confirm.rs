//! A question that is answered with a key: confirm, or keep everything as it is.

use std::fmt;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::place;
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::theme::Role;

pub struct Confirm {
    question: String,
    consequence: String,
    done: Box<dyn Fn() -> Vec<Command>>,
}

impl Confirm {
    pub fn new(question: String, consequence: &str, done: impl Fn() -> Vec<Command> + 'static) -> Self {
        Self { question, consequence: consequence.to_owned(), done: Box::new(done) }
    }
}

impl fmt::Debug for Confirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirm").field("question", &self.question).finish_non_exhaustive()
    }
}

impl Layer for Confirm {
    fn handle(&mut self, _: &Context, action: Action) -> Vec<Command> {
        match action {
            Action::Confirm => [Command::Close].into_iter().chain((self.done)()).collect(),
            Action::Back => vec![Command::Close],
            _ => Vec::new(),
        }
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::centred(body, 64, 6)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let inner = place::draw_frame(frame, area, &self.question, theme);
        let keys = [(context.popup_key(Action::Confirm), "confirm"), (context.popup_key(Action::Back), "keep")];
        let text = vec![
            Line::styled(self.consequence.clone(), theme.style(Role::Warning)),
            Line::styled(place::hints(&keys), theme.style(Role::Faint)),
        ];
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), inner);
    }
}
