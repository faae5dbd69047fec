//! An error with its causes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::place;
use crate::studio::text::clean;
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::problem::Problem;
use crate::tui::theme::Role;

#[derive(Debug)]
pub struct ProblemDetails(pub Problem);

impl Layer for ProblemDetails {
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
        let (Self(problem), theme) = (self, &context.theme);
        let inner = place::draw_frame(frame, area, "Error", theme);
        let mut text = vec![Line::styled(clean(&problem.message), theme.style(Role::Danger))];
        if let Some(rule) = problem.rule {
            text.push(Line::styled(format!("Rule: {rule}"), theme.style(Role::Warning)));
        }
        for cause in &problem.causes {
            text.push(Line::styled(format!("Cause: {}", clean(cause)), theme.style(Role::Text)));
        }
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), inner);
    }
}
