//! Keys that were typed while the terminal was asked what it can do: the session delivers them first.

use std::sync::{Mutex, PoisonError};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

static TYPED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps typed bytes for [`take`].
pub(super) fn keep(bytes: &[u8]) {
    TYPED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
}

/// The keys of the bytes that were kept.
pub(super) fn take() -> Vec<KeyEvent> {
    keys(&std::mem::take(&mut *TYPED.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The keys that crossterm makes of these bytes, for the keys that every terminal sends in the same way. Sequences of
/// other keys are dropped. Invalid UTF-8 is dropped, too.
fn keys(bytes: &[u8]) -> Vec<KeyEvent> {
    let text: String = bytes.utf8_chunks().map(|chunk| chunk.valid()).collect();
    let mut keys = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        let key = match first {
            '\x1b' => match escaped(rest) {
                Some((key, length)) => {
                    rest = &rest[length..];
                    key
                }
                None => Some(KeyCode::Esc.into()),
            },
            letter => Some(plain(letter)),
        };
        keys.extend(key);
    }
    keys
}

/// The key of a sequence after its escape, and the sequence's length; no key if it is unknown. `None` if the escape
/// stands alone.
fn escaped(rest: &str) -> Option<(Option<KeyEvent>, usize)> {
    let next = rest.chars().next().filter(|next| *next != '\x1b')?;
    if next == '[' {
        let last = rest[1..].find(|c: char| ('\x40'..='\x7e').contains(&c))? + 1;
        return Some((control_sequence(&rest[1..last], rest.as_bytes()[last]), last + 1));
    }
    if next == 'O'
        && let Some(code) = rest.as_bytes().get(1).copied().and_then(arrow)
    {
        return Some((Some(code.into()), 2));
    }
    let mut key = plain(next);
    key.modifiers |= KeyModifiers::ALT;
    Some((Some(key), next.len_utf8()))
}

fn control_sequence(parameters: &str, last: u8) -> Option<KeyEvent> {
    let code = match (last, parameters) {
        (b'~', "1" | "7") => KeyCode::Home,
        (b'~', "2") => KeyCode::Insert,
        (b'~', "3") => KeyCode::Delete,
        (b'~', "4" | "8") => KeyCode::End,
        (b'~', "5") => KeyCode::PageUp,
        (b'~', "6") => KeyCode::PageDown,
        (b'Z', "") => return Some(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)),
        (_, "") => arrow(last)?,
        _ => return None,
    };
    Some(code.into())
}

fn arrow(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

fn plain(letter: char) -> KeyEvent {
    match letter {
        // The terminal was not in raw mode and turned the carriage return of Enter into a line feed.
        '\r' | '\n' => KeyCode::Enter.into(),
        '\t' => KeyCode::Tab.into(),
        '\x7f' => KeyCode::Backspace.into(),
        '\0' => KeyEvent::new(KeyCode::Char(' '), KeyModifiers::CONTROL),
        '\x01'..='\x1a' => KeyEvent::new(KeyCode::Char(char::from(b'a' + letter as u8 - 1)), KeyModifiers::CONTROL),
        letter if letter.is_uppercase() => KeyEvent::new(KeyCode::Char(letter), KeyModifiers::SHIFT),
        letter => KeyCode::Char(letter).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_bytes_become_keys() {
        let with = |letter, modifiers| KeyEvent::new(KeyCode::Char(letter), modifiers);
        let expected: Vec<KeyEvent> = vec![
            KeyCode::Char('j').into(),
            with('G', KeyModifiers::SHIFT),
            KeyCode::Char('é').into(),
            KeyCode::Up.into(),
            KeyCode::Left.into(),
            KeyCode::PageDown.into(),
            with('x', KeyModifiers::ALT),
            with('p', KeyModifiers::CONTROL),
            KeyCode::Enter.into(),
            KeyCode::Backspace.into(),
            KeyCode::Esc.into(),
            KeyCode::Esc.into(),
        ];
        let bytes = "jGé\x1b[A\x1bOD\x1b[6~\x1b[1;5R\x1b[?2026;2$y\x1bx\x10\n\x7f\x1b\x1b";
        assert_eq!(keys(bytes.as_bytes()), expected);
        assert_eq!(keys(b"\xffq\xc3"), [KeyCode::Char('q').into()]);
    }
}
