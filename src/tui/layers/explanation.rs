//! Explains an error by its causes, or a run by what it changed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::place;
use crate::studio::delta::Delta;
use crate::studio::text::clean;
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::problem::Problem;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::change;

#[derive(Debug)]
pub enum Explanation {
    Problem(Problem),
    /// What a run changed compared with its parent.
    Changes {
        title: String,
        delta: Delta,
    },
}

impl Layer for Explanation {
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
        let (title, text) = match self {
            Self::Problem(problem) => ("Error", problem_lines(problem, theme)),
            Self::Changes { title, delta } => (title.as_str(), change_lines(delta, theme)),
        };
        let inner = place::draw_frame(frame, area, title, theme);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), inner);
    }
}

fn problem_lines(problem: &Problem, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(clean(&problem.message), theme.style(Role::Danger))];
    lines.extend(problem.rule.map(|rule| Line::styled(format!("Rule: {rule}"), theme.style(Role::Warning))));
    let causes = problem.causes.iter().map(|cause| format!("Cause: {}", clean(cause)));
    lines.extend(causes.map(|cause| Line::styled(cause, theme.style(Role::Text))));
    lines
}

fn change_lines(delta: &Delta, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = change::lines(delta, theme);
    if lines.is_empty() {
        lines.push(Line::styled("Only the seeds.", theme.style(Role::Faint)));
    }
    lines
}
