//! An action with its keys, as help and palette list it.

use ratatui::text::{Line, Span};

use crate::tui::action::Action;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::lines::fit;

/// Columns for the keys.
const KEYS: usize = 18;

pub fn line(action: Action, keys: &str, width: u16, theme: &Theme) -> Line<'static> {
    let room = KEYS.min(usize::from(width) * 2 / 5);
    let description = fit(action.description(), usize::from(width).saturating_sub(room + 3));
    Line::from(vec![
        Span::styled(format!("{:>room$}  ", fit(keys, room)), theme.style(Role::Key)),
        Span::styled(description, theme.style(Role::Text)),
    ])
}
