//! A line of text that is being typed. Keys that are no text are left to others.

use crokey::KeyCombination;
use crokey::crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use tui_input::{Input as Line, InputRequest};

use super::super::theme::{Role, Theme};
use crate::studio::text;

#[derive(Clone, Debug, Default)]
pub struct Input(Line);

impl Input {
    pub fn with(value: &str) -> Self {
        Self(Line::new(value.to_owned()))
    }

    pub fn value(&self) -> &str {
        self.0.value()
    }

    /// True if the key was text or moved within it.
    pub fn key(&mut self, key: KeyCombination) -> bool {
        let Some(request) = request(key) else { return false };
        self.0.handle(request);
        true
    }

    pub fn paste(&mut self, pasted: &str) {
        for c in text::clean(pasted).chars() {
            self.0.handle(InputRequest::InsertChar(c));
        }
    }

    /// Draws the end that the cursor is in, and the cursor.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme, has_cursor: bool) {
        if area.width == 0 || area.height == 0 {
            return;
        }
        let scroll = self.0.visual_scroll(area.width.saturating_sub(1) as usize);
        let line = Span::styled(text::clean(self.value()), theme.style(Role::Text));
        frame.render_widget(ratatui::widgets::Paragraph::new(line).scroll((0, scroll as u16)), area);
        if has_cursor {
            let column = self.0.visual_cursor().saturating_sub(scroll) as u16;
            frame.set_cursor_position((area.x + column.min(area.width - 1), area.y));
        }
    }
}

fn request(key: KeyCombination) -> Option<InputRequest> {
    let crokey::OneToThree::One(code) = key.codes else { return None };
    let plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    let control = key.modifiers == KeyModifiers::CONTROL;
    Some(match code {
        KeyCode::Char(c) if plain => {
            let shifted = key.modifiers.contains(KeyModifiers::SHIFT) && c.is_lowercase();
            InputRequest::InsertChar(if shifted { c.to_uppercase().next().unwrap_or(c) } else { c })
        }
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('u') if control => InputRequest::DeleteLine,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return None,
    })
}
