//! A text field, on one line or wrapped over several.

use crokey::KeyCombination;
use crokey::crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

use super::super::theme::{Role, Theme};
use crate::studio::text;

#[derive(Clone, Debug)]
pub struct Input(TextArea<'static>);

impl Default for Input {
    fn default() -> Self {
        Self::with("")
    }
}

impl Input {
    /// A field on one line, which scrolls with the cursor.
    pub fn with(value: &str) -> Self {
        let mut area = TextArea::new(vec![text::clean(value)]);
        area.set_cursor_line_style(Style::new());
        area.move_cursor(CursorMove::End);
        Self(area)
    }

    /// A field wrapped over as many lines as it needs.
    pub fn wrapped(value: &str) -> Self {
        let mut input = Self::with(value);
        input.0.set_wrap_mode(WrapMode::WordOrGlyph);
        input
    }

    /// The text; always one line, even if it is drawn wrapped.
    pub fn value(&self) -> &str {
        self.0.lines().first().map_or("", String::as_str)
    }

    /// Takes a key. False if it neither types, deletes nor moves.
    pub fn key(&mut self, key: KeyCombination) -> bool {
        let crokey::OneToThree::One(code) = key.codes else { return false };
        let plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
        let control = key.modifiers == KeyModifiers::CONTROL;
        let by_words = control || key.modifiers == KeyModifiers::ALT;
        match code {
            KeyCode::Char(c) if plain => {
                let shifted = key.modifiers.contains(KeyModifiers::SHIFT) && c.is_lowercase();
                self.0.insert_char(if shifted { c.to_uppercase().next().unwrap_or(c) } else { c });
            }
            KeyCode::Char('a') if control => self.0.move_cursor(CursorMove::Head),
            KeyCode::Char('e') if control => self.0.move_cursor(CursorMove::End),
            KeyCode::Char('w') if control => drop(self.0.delete_word()),
            KeyCode::Char('u') if control => drop(self.0.delete_line_by_head()),
            KeyCode::Char('k') if control => drop(self.0.delete_line_by_end()),
            KeyCode::Char('y') if control => drop(self.0.paste()),
            KeyCode::Char('b') | KeyCode::Left if by_words => self.0.move_cursor(CursorMove::WordBack),
            KeyCode::Char('f') | KeyCode::Right if by_words => self.0.move_cursor(CursorMove::WordForward),
            KeyCode::Backspace if by_words => drop(self.0.delete_word()),
            KeyCode::Backspace => drop(self.0.delete_char()),
            KeyCode::Delete => drop(self.0.delete_next_char()),
            KeyCode::Left => self.0.move_cursor(CursorMove::Back),
            KeyCode::Right => self.0.move_cursor(CursorMove::Forward),
            KeyCode::Home => self.0.move_cursor(CursorMove::Head),
            KeyCode::End => self.0.move_cursor(CursorMove::End),
            _ => return false,
        }
        true
    }

    /// Moves the cursor to the line above or below, as drawn last. False if there is none.
    pub fn to_line(&mut self, below: bool) -> bool {
        let before = self.0.screen_cursor().row;
        self.0.move_cursor(if below { CursorMove::Down } else { CursorMove::Up });
        self.0.screen_cursor().row != before
    }

    pub fn paste(&mut self, pasted: &str) {
        self.0.insert_str(text::clean(pasted));
    }

    /// Draws the part of the text around the cursor, and the cursor.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        frame.render_widget(&self.0, area);
        frame.buffer_mut().set_style(area, theme.style(Role::Text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(input: &mut Input, keys: &[&str]) -> String {
        for key in keys {
            assert!(input.key(key.parse().unwrap()), "{key}");
        }
        input.value().to_owned()
    }

    #[test]
    fn keys_type_and_edit() {
        let mut input = Input::with("soft\u{1b}[31m light");
        assert_eq!(input.value(), text::clean("soft\u{1b}[31m light"));
        assert_eq!(typed(&mut input, &["ctrl-u", "a", "shift-b", "space", "c"]), "aB c");
        assert_eq!(typed(&mut input, &["left", "backspace", "home", "delete"]), "Bc");
        assert_eq!(typed(&mut input, &["end", "ctrl-w"]), "");
        input.paste("one\ntwo\u{7}");
        assert_eq!(input.value(), text::clean("one\ntwo\u{7}"));
        assert!(!input.key("enter".parse().unwrap()) && !input.key("tab".parse().unwrap()));
    }

    #[test]
    fn the_cursor_moves_between_wrapped_lines() {
        use ratatui::Terminal;
        use ratatui::backend::TestBackend;
        let mut input = Input::wrapped("portrait of a calm person in a studio");
        let mut terminal = Terminal::new(TestBackend::new(12, 4)).unwrap();
        let theme = Theme::named(Theme::DEFAULT, crate::terminal::colours::Colours::True, None).unwrap();
        terminal.draw(|frame| input.draw(frame, frame.area(), &theme)).unwrap();
        assert!(!input.to_line(true));
        assert!(input.to_line(false) && input.to_line(false) && input.to_line(false));
        assert!(!input.to_line(false));
        assert!(input.to_line(true));
    }
}
