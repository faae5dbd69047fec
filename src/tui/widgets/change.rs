//! The changes of a run, one line per variable; prompt blocks word by word.

use ratatui::text::{Line, Span};

use super::super::theme::{Role, Theme};
use super::lines::fit;
use crate::studio::delta::Delta;
use crate::studio::words::Word;

/// Unchanged words are context, and cut to so many cells.
const CONTEXT: usize = 60;

pub fn lines(delta: &Delta, theme: &Theme) -> Vec<Line<'static>> {
    delta
        .changes
        .iter()
        .map(|change| {
            let mut line = vec![Span::styled(format!("Δ {} ", change.variable), theme.style(Role::Accent))];
            if change.words.is_empty() {
                line.push(Span::raw(fit(&format!("{} → {}", change.before, change.after), 300)));
            }
            line.extend(change.words.iter().map(|word| match word {
                Word::Same(words) => Span::styled(format!("{} ", fit(words, CONTEXT)), theme.style(Role::Faint)),
                Word::Removed(words) => Span::styled(format!("−{} ", fit(words, CONTEXT)), theme.style(Role::Removed)),
                Word::Added(words) => Span::styled(format!("+{} ", fit(words, CONTEXT)), theme.style(Role::Added)),
            }));
            Line::from(line)
        })
        .collect()
}
