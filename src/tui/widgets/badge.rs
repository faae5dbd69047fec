//! States as a mark and a word: never by colour alone.

use ratatui::text::Span;

use super::super::theme::{Role, Theme};
use crate::studio::reference;
use crate::studio::review::Verdict;
use crate::studio::run;

pub fn reference(state: reference::State, theme: &Theme) -> Span<'static> {
    let (mark, role) = match state {
        reference::State::Candidate => ("?", Role::Candidate),
        reference::State::Approved => ("✓", Role::Approved),
        reference::State::Rejected => ("✗", Role::Rejected),
        reference::State::Retired => ("–", Role::Faint),
        reference::State::Withdrawn => ("∅", Role::Faint),
    };
    Span::styled(format!("{mark} {}", state.name()), theme.style(role))
}

pub fn run(state: run::State, theme: &Theme) -> Span<'static> {
    let (mark, role) = match state {
        run::State::Draft => ("·", Role::Faint),
        run::State::Queued => ("…", Role::Candidate),
        run::State::Running => ("▶", Role::Running),
        run::State::Done => ("✓", Role::Approved),
        run::State::Failed => ("!", Role::Danger),
        run::State::Cancelled => ("✗", Role::Faint),
        run::State::Interrupted => ("‖", Role::Warning),
    };
    Span::styled(format!("{mark} {}", state.name()), theme.style(role))
}

pub fn verdict(verdict: Verdict, theme: &Theme) -> Span<'static> {
    let (mark, role) = match verdict {
        Verdict::Open => ("·", Role::Faint),
        Verdict::Accepted => ("✓", Role::Approved),
        Verdict::Rejected => ("✗", Role::Rejected),
    };
    Span::styled(format!("{mark} {}", verdict.name()), theme.style(role))
}
