//! Asking the terminal: all questions in one write, one time limit, and a parser that lets nothing in the stream
//! confuse it.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcsetattr};

use super::tmux;
use crate::studio::text::clean;

/// One thing that a terminal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Device attributes (DA1). Every terminal knows this question.
    Attributes(Vec<u16>),
    /// Its name and version (XTVERSION).
    Name(String),
    /// About kitty graphics: the picture's id, and what went wrong if something did.
    Graphics { id: u32, error: Option<String> },
    /// Pixels of a character cell, width first.
    Cell(u16, u16),
    /// Pixels of the whole window, width first.
    Window(u16, u16),
}

/// Who is there to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// A terminal, or a multiplexer that hands nothing on.
    One,
    /// tmux, and the terminal behind it.
    Two,
}

/// What was answered in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Of whoever is nearest.
    pub attributes: Option<Vec<u16>>,
    pub name: Option<String>,
    /// Of the terminal behind tmux.
    pub beyond: Option<Vec<u16>>,
    pub name_beyond: Option<String>,
    /// Whether kitty's graphics were understood by somebody.
    pub kitty: bool,
    pub cell: Option<(u16, u16)>,
    pub window: Option<(u16, u16)>,
}

/// The picture that is only asked about.
const QUESTION_ID: u32 = 31;
/// Asked for the name alone: also a way to know that everything before has arrived.
pub const NAME_QUESTION: &[u8] = b"\x1b[>q";
/// Longer than anything a terminal has to say.
const LONGEST: usize = 512;

/// Asks, and waits until the last question is answered or the time is over. Nobody else may be reading meanwhile.
pub fn ask(layers: Layers, limit: Duration) -> Replies {
    let mut replies = Replies::default();
    // Without a terminal, or in the background, there is nobody to be asked.
    let _ = exchange(layers, limit, &mut replies);
    replies
}

/// The questions: what may stay unanswered first, and last what everybody answers.
pub fn questions(layers: Layers) -> Vec<u8> {
    const NEAR: &[u8] = b"\x1b[c";
    let asked: [&[u8]; 5] =
        [b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b[16t", b"\x1b[14t", NAME_QUESTION, NEAR];
    match layers {
        // A terminal that knows a question not even by its form prints it: that is wiped off again.
        Layers::One => [&asked.concat()[..], b"\r\x1b[K"].concat(),
        Layers::Two => {
            let wrapped = asked.iter().flat_map(|question| tmux::wrap(question));
            NAME_QUESTION.iter().chain(NEAR).copied().chain(wrapped).collect()
        }
    }
}

impl Replies {
    pub fn take(&mut self, reply: Reply) {
        match reply {
            Reply::Attributes(list) if self.attributes.is_none() => self.attributes = Some(list),
            Reply::Attributes(list) => self.beyond = Some(list),
            Reply::Name(name) if self.name.is_none() => self.name = Some(name),
            Reply::Name(name) => self.name_beyond = Some(name),
            Reply::Graphics { id: QUESTION_ID, error } => self.kitty = error.is_none(),
            Reply::Graphics { .. } => {}
            Reply::Cell(width, height) => self.cell = Some((width, height)),
            Reply::Window(width, height) => self.window = Some((width, height)),
        }
    }

    /// Whether the last question has its answer, and with it all others that will have one.
    pub fn are_complete(&self, layers: Layers) -> bool {
        match layers {
            Layers::One => self.attributes.is_some(),
            Layers::Two => self.attributes.is_some() && self.beyond.is_some(),
        }
    }
}

/// Finds replies in a stream of bytes, however it is cut into packets and whatever else is in it.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Sequence,
    /// A string of this kind (`_`, `P` or `]`), up to its terminator.
    Text(u8),
    /// An escape inside a string: its terminator begins.
    TextEscape(u8),
}

impl Parser {
    pub fn feed(&mut self, byte: u8) -> Option<Reply> {
        const ESCAPE: u8 = 0x1b;
        const CANCEL: u8 = 0x18;
        match (self.state, byte) {
            (_, CANCEL) => self.state = State::Ground,
            (State::Text(kind), ESCAPE) => self.state = State::TextEscape(kind),
            (State::Text(kind), 0x07) => return self.end_of_text(kind),
            (State::Text(_), _) => self.push(byte),
            (State::TextEscape(kind), b'\\') => return self.end_of_text(kind),
            (_, ESCAPE) => self.state = State::Escape,
            (State::Escape | State::TextEscape(_), b'[') => self.begin(State::Sequence),
            (State::Escape | State::TextEscape(_), b'_' | b'P' | b']') => self.begin(State::Text(byte)),
            (State::Escape | State::TextEscape(_), _) => self.state = State::Ground,
            (State::Sequence, 0x40..=0x7e) => {
                self.state = State::Ground;
                return sequence(&self.body, byte);
            }
            (State::Sequence, 0x20..=0x3f) => self.push(byte),
            (State::Sequence, _) => self.state = State::Ground,
            (State::Ground, _) => {}
        }
        None
    }

    fn begin(&mut self, state: State) {
        self.body.clear();
        self.state = state;
    }

    fn push(&mut self, byte: u8) {
        // What is longer is no reply; it is read to its end all the same.
        if self.body.len() < LONGEST {
            self.body.push(byte);
        }
    }

    fn end_of_text(&mut self, kind: u8) -> Option<Reply> {
        self.state = State::Ground;
        if self.body.len() == LONGEST {
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

/// `ESC [ … final`.
fn sequence(body: &[u8], last: u8) -> Option<Reply> {
    let text = std::str::from_utf8(body).ok()?;
    match last {
        b'c' => Some(Reply::Attributes(numbers(text.strip_prefix('?')?))),
        b't' => match numbers(text)[..] {
            [6, height, width] => Some(Reply::Cell(width, height)),
            [4, height, width] => Some(Reply::Window(width, height)),
            _ => None,
        },
        _ => None,
    }
}

/// `Gi=31;OK`, perhaps with more keys.
fn graphics(text: &str) -> Option<Reply> {
    let (keys, verdict) = text.split_once(';')?;
    let id = keys.split(',').find_map(|key| key.strip_prefix("i="))?.parse().ok()?;
    Some(Reply::Graphics { id, error: (verdict != "OK").then(|| clean(verdict)) })
}

fn numbers(text: &str) -> Vec<u16> {
    text.split(';').filter_map(|number| number.parse().ok()).collect()
}

fn exchange(layers: Layers, limit: Duration, replies: &mut Replies) -> std::io::Result<()> {
    let mut tty = File::options().read(true).write(true).open("/dev/tty")?;
    // A program in the background would be stopped for changing the terminal's modes.
    if tcgetpgrp(&tty)? != getpgrp() {
        return Ok(());
    }
    let before = tcgetattr(&tty)?;
    let mut quiet = before.clone();
    // Ctrl-C keeps its meaning meanwhile.
    quiet.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
    quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&tty, OptionalActions::Drain, &quiet)?;
    let outcome = listen(&mut tty, layers, limit, replies);
    // Throws away what came too late, so that it does not end up on the shell's line.
    tcsetattr(&tty, OptionalActions::Flush, &before)?;
    outcome
}

fn listen(tty: &mut File, layers: Layers, limit: Duration, replies: &mut Replies) -> std::io::Result<()> {
    tty.write_all(&questions(layers))?;
    let deadline = Instant::now() + limit;
    let mut parser = Parser::default();
    while !replies.are_complete(layers) {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
        let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        let mut waiting = [PollFd::new(&*tty, PollFlags::IN)];
        match poll(&mut waiting, Some(&left)) {
            Ok(0) => break,
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        let mut part = [0; 256];
        match tty.read(&mut part)? {
            0 => break,
            count => part[..count].iter().filter_map(|&byte| parser.feed(byte)).for_each(|reply| replies.take(reply)),
        }
    }
    Ok(())
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
    fn a_terminals_answers_are_understood() {
        let expected = [
            Reply::Graphics { id: 31, error: None },
            Reply::Cell(8, 17),
            Reply::Window(800, 680),
            Reply::Name("kitty(0.41.1)".to_owned()),
            Reply::Attributes(vec![62]),
        ];
        assert_eq!(parse(KITTY), expected);
    }

    #[test]
    fn packets_may_be_cut_anywhere_and_foreign_bytes_stand_between() {
        // The parser sees single bytes, so that a cut cannot matter; keys typed meanwhile must not.
        let foreign: [&[u8]; 7] = [
            b"jjq",
            b"\x1b[A",
            b"\x1bOP",
            b"\x1b[200~paste\x1b[201~",
            b"\x1b",
            "é肖\u{9b}".as_bytes(),
            b"\x1b]0;x\x07",
        ];
        let whole = parse(KITTY);
        for noise in foreign {
            assert_eq!(parse(&[noise, KITTY].concat()), whole, "{noise:?} before");
            assert_eq!(parse(&[KITTY, noise, KITTY].concat()), [whole.clone(), whole.clone()].concat(), "{noise:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_none() {
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
        let endless = [b"\x1bP>|".as_slice(), &[b'x'; 2 * LONGEST], b"\x1b\\\x1b[?6c"].concat();
        assert_eq!(parse(&endless), [Reply::Attributes(vec![6])]);
    }

    #[test]
    fn an_error_is_told_and_a_name_is_made_harmless() {
        let error = Some("ENOENT:no such picture".to_owned());
        assert_eq!(parse(b"\x1b_Gi=7,p=1;ENOENT:no such picture\x1b\\"), [Reply::Graphics { id: 7, error }]);
        assert_eq!(parse("\x1bP>|x\u{7}".as_bytes()), [Reply::Name("x".to_owned())]);
        assert_eq!(parse("\x1bP>|a\u{202e}b\x1b\\".as_bytes()), [Reply::Name("ab".to_owned())]);
    }

    #[test]
    fn the_last_question_is_the_one_that_everybody_answers() {
        assert!(questions(Layers::One).ends_with(b"\x1b[c\r\x1b[K"));
        assert!(questions(Layers::Two).ends_with(b"\x1bPtmux;\x1b\x1b[c\x1b\\"));
        let mut replies = Replies::default();
        assert!(!replies.are_complete(Layers::One));
        parse(b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c").into_iter().for_each(|reply| replies.take(reply));
        assert!(replies.are_complete(Layers::One) && !replies.are_complete(Layers::Two));
        parse(KITTY).into_iter().for_each(|reply| replies.take(reply));
        assert!(replies.are_complete(Layers::Two));
        assert_eq!(
            (replies.name.as_deref(), replies.name_beyond.as_deref()),
            (Some("tmux 3.3a"), Some("kitty(0.41.1)"))
        );
    }
}
