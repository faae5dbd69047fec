//! States as a mark and a word: never by colour alone.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::theme::{Role, Theme};
use crate::studio::reference;
use crate::studio::review::Verdict;
use crate::studio::run;

/// As much of a caption as there is room for: a mark alone says the state too.
pub fn caption(name: String, state: Span<'static>, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(name.width());
    let whole = state.content.width() <= room;
    let mark: String = state.content.chars().take(1).collect();
    Line::from(vec![Span::raw(name), if whole { state } else { Span::styled(mark, state.style) }])
}

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
