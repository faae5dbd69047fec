//! States as a mark and a word, so that no state is shown by colour alone.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::theme::{Role, Theme};
use crate::studio::reference::ReferenceState;
use crate::studio::review::Verdict;
use crate::studio::state::RunState;

/// A caption with its state; the mark alone where there is no room for the word.
pub fn caption(name: String, state: Span<'static>, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(name.width());
    let whole = state.content.width() <= room;
    let mark: String = state.content.chars().take(1).collect();
    Line::from(vec![Span::raw(name), if whole { state } else { Span::styled(mark, state.style) }])
}

pub fn reference(state: ReferenceState, theme: &Theme) -> Span<'static> {
    let (mark, role) = match state {
        ReferenceState::Candidate => ("?", Role::Candidate),
        ReferenceState::Approved => ("✓", Role::Approved),
        ReferenceState::Rejected => ("✗", Role::Rejected),
        ReferenceState::Retired => ("–", Role::Faint),
        ReferenceState::Withdrawn => ("∅", Role::Faint),
    };
    Span::styled(format!("{mark} {}", state.name()), theme.style(role))
}

pub fn run(state: RunState, theme: &Theme) -> Span<'static> {
    let (mark, role) = match state {
        RunState::Draft => ("·", Role::Faint),
        RunState::Queued => ("…", Role::Candidate),
        RunState::Running => ("▶", Role::Running),
        RunState::Done => ("✓", Role::Approved),
        RunState::Failed => ("!", Role::Danger),
        RunState::Cancelled => ("✗", Role::Faint),
        RunState::Interrupted => ("‖", Role::Warning),
    };
    Span::styled(format!("{mark} {}", state.name()), theme.style(role))
}

pub fn verdict(verdict: Verdict, theme: &Theme) -> Span<'static> {
    let (text, role) = match verdict {
        Verdict::Open => ("· unreviewed", Role::Faint),
        Verdict::Accepted => ("✓ accepted", Role::Approved),
        Verdict::Rejected => ("✗ rejected", Role::Rejected),
    };
    Span::styled(text, theme.style(role))
}
