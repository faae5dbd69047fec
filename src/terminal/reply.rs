//! Parses the replies of a terminal.

use crate::studio::text::clean;

/// One reply of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Primary device attributes (DA1). Every terminal answers this query.
    Attributes(Vec<u16>),
    /// Name and version (XTVERSION).
    Name(String),
    /// The state of a picture in kitty's protocol: its id, and the error if there was one.
    Graphics { id: u32, error: Option<String> },
    /// Width and height of a character cell in pixels.
    CellSize(u16, u16),
    /// Width and height of the window in pixels.
    WindowSize(u16, u16),
}

/// No reply is longer than this, in bytes.
const MAX_LENGTH: usize = 512;

/// No more typed bytes are kept.
const MAX_TYPED: usize = 4096;

/// Finds replies in a stream of bytes. Packets may be cut anywhere, and other bytes may stand between replies.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    body: Vec<u8>,
    /// The bytes of the sequence so far.
    sequence: Vec<u8>,
    /// Everything that was no reply and no string: what a person typed.
    typed: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Inside `ESC [ …`.
    ControlSequence,
    /// Inside a string that `ESC` and this byte (`_`, `P` or `]`) opened.
    String(u8),
    /// After an escape inside a string: probably its terminator, `ESC \`.
    StringEscape(u8),
}

impl Parser {
    /// Takes the next byte and returns the reply that it completes.
    pub fn feed(&mut self, byte: u8) -> Option<Reply> {
        if self.typed.len() + self.sequence.len() < MAX_TYPED {
            self.sequence.push(byte);
        }
        let was_string = matches!(self.state, State::String(_) | State::StringEscape(_));
        let reply = self.step(byte);
        if self.state == State::Ground {
            if reply.is_none() && !was_string {
                self.typed.append(&mut self.sequence);
            }
            self.sequence.clear();
        }
        reply
    }

    /// The bytes that a person typed among the replies, with a last escape that began nothing.
    pub(super) fn take_typed(&mut self) -> Vec<u8> {
        if self.state == State::Escape {
            self.state = State::Ground;
            self.typed.append(&mut self.sequence);
        }
        std::mem::take(&mut self.typed)
    }

    fn step(&mut self, byte: u8) -> Option<Reply> {
        const ESCAPE: u8 = 0x1b;
        const CANCEL: u8 = 0x18;
        const BELL: u8 = 0x07;
        match (self.state, byte) {
            (_, CANCEL) => self.state = State::Ground,
            (State::String(kind), ESCAPE) => self.state = State::StringEscape(kind),
            (State::String(kind), BELL) => return self.end_string(kind),
            (State::String(_), _) => self.push(byte),
            (State::StringEscape(kind), b'\\') => return self.end_string(kind),
            (_, ESCAPE) => self.state = State::Escape,
            (State::Escape | State::StringEscape(_), b'[') => self.begin(State::ControlSequence),
            (State::Escape | State::StringEscape(_), b'_' | b'P' | b']') => self.begin(State::String(byte)),
            (State::Escape | State::StringEscape(_), _) => self.state = State::Ground,
            (State::ControlSequence, 0x40..=0x7e) => {
                self.state = State::Ground;
                return control_sequence(&self.body, byte);
            }
            (State::ControlSequence, 0x20..=0x3f) => self.push(byte),
            (State::ControlSequence, _) => self.state = State::Ground,
            (State::Ground, _) => {}
        }
        None
    }

    fn begin(&mut self, state: State) {
        self.body.clear();
        self.state = state;
    }

    fn push(&mut self, byte: u8) {
        // The rest of an overlong string is read and dropped.
        if self.body.len() < MAX_LENGTH {
            self.body.push(byte);
        }
    }

    fn end_string(&mut self, kind: u8) -> Option<Reply> {
        self.state = State::Ground;
        if self.body.len() == MAX_LENGTH {
            return None;
        }
        let text = String::from_utf8_lossy(&self.body);
        match kind {
            b'P' => text.strip_prefix(">|").map(|name| Reply::Name(clean(name))),
            b'_' => graphics(text.strip_prefix('G')?),
            _ => None,
        }
    }
}

/// `ESC [ body last`.
fn control_sequence(body: &[u8], last: u8) -> Option<Reply> {
    let text = std::str::from_utf8(body).ok()?;
    match last {
        b'c' => Some(Reply::Attributes(numbers(text.strip_prefix('?')?))),
        b't' => match numbers(text)[..] {
            [6, height, width] => Some(Reply::CellSize(width, height)),
            [4, height, width] => Some(Reply::WindowSize(width, height)),
            _ => None,
        },
        _ => None,
    }
}

/// `i=31;OK`, possibly with more keys than `i`.
fn graphics(text: &str) -> Option<Reply> {
    let (keys, message) = text.split_once(';')?;
    let id = keys.split(',').find_map(|key| key.strip_prefix("i="))?.parse().ok()?;
    Some(Reply::Graphics { id, error: (message != "OK").then(|| clean(message)) })
}

fn numbers(text: &str) -> Vec<u16> {
    text.split(';').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Vec<Reply> {
        let mut parser = Parser::default();
        bytes.iter().filter_map(|&byte| parser.feed(byte)).collect()
    }

    const KITTY: &[u8] = b"\x1b_Gi=31;OK\x1b\\\x1b[6;17;8t\x1b[4;680;800t\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;c";

    #[test]
    fn the_replies_of_kitty_are_parsed() {
        let expected = [
            Reply::Graphics { id: 31, error: None },
            Reply::CellSize(8, 17),
            Reply::WindowSize(800, 680),
            Reply::Name("kitty(0.41.1)".to_owned()),
            Reply::Attributes(vec![62]),
        ];
        assert_eq!(parse(KITTY), expected);
    }

    #[test]
    fn other_bytes_before_and_between_replies_are_skipped() {
        // The parser sees single bytes, so cuts cannot matter. Keys that are typed meanwhile must not matter either.
        let others: [&[u8]; 7] = [
            b"jjq",
            b"\x1b[A",
            b"\x1bOP",
            b"\x1b[200~paste\x1b[201~",
            b"\x1b",
            "é肖\u{9b}".as_bytes(),
            b"\x1b]0;x\x07",
        ];
        let replies = parse(KITTY);
        for other in others {
            assert_eq!(parse(&[other, KITTY].concat()), replies, "{other:?} before");
            let twice = [replies.clone(), replies.clone()].concat();
            assert_eq!(parse(&[KITTY, other, KITTY].concat()), twice, "{other:?} between");
        }
    }

    #[test]
    fn typed_bytes_are_kept() {
        let mut parser = Parser::default();
        let bytes =
            [b"j\x1b[A", &KITTY[..20], b"", &KITTY[20..], "é\x1bx".as_bytes(), b"\x1b]0;x\x07", b"q\x1b"].concat();
        assert_eq!(bytes.iter().filter_map(|&byte| parser.feed(byte)).count(), 5);
        assert_eq!(parser.take_typed(), "j\x1b[Aé\x1bxq\x1b".as_bytes());
        assert_eq!(parser.take_typed(), b"");
        b"x".repeat(2 * MAX_TYPED).into_iter().for_each(|byte| drop(parser.feed(byte)));
        assert!(parser.take_typed().len() <= MAX_TYPED);
    }

    #[test]
    fn other_sequences_are_not_replies() {
        let others: [&[u8]; 8] = [
            b"\x1b[c",
            b"\x1b[1;5R",
            b"\x1b[?2026;2$y",
            b"\x1b[>1;10;0c",
            b"\x1bP1+r544e=666F6F74\x1b\\",
            b"\x1b_Gi=;OK\x1b\\",
            b"\x1b[6;99999;8t",
            b"\x1b[?62;4\x18c",
        ];
        for bytes in others {
            assert_eq!(parse(bytes), [], "{:?}", String::from_utf8_lossy(bytes));
        }
        let overlong = [b"\x1bP>|".as_slice(), &[b'x'; 2 * MAX_LENGTH], b"\x1b\\\x1b[?6c"].concat();
        assert_eq!(parse(&overlong), [Reply::Attributes(vec![6])]);
    }

    #[test]
    fn errors_are_kept_and_names_lose_control_characters() {
        let error = Some("ENOENT:no such picture".to_owned());
        assert_eq!(parse(b"\x1b_Gi=7,p=1;ENOENT:no such picture\x1b\\"), [Reply::Graphics { id: 7, error }]);
        assert_eq!(parse("\x1bP>|x\u{7}".as_bytes()), [Reply::Name("x".to_owned())]);
        assert_eq!(parse("\x1bP>|a\u{202e}b\x1b\\".as_bytes()), [Reply::Name("ab".to_owned())]);
    }
}
