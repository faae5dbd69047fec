//! What comes in: keys, pastes, signals, answers, and that nobody is there any more.
//!
//! Two threads. One turns what is typed into events; it waits itself, because crossterm could be told neither to stop
//! nor that the terminal has gone away. The other waits for signals and for that end, so that these are noticed whatever
//! the first one is doing.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::probe::{Parser, Reply};
use super::session;

/// What the threads have to tell the screen.
#[derive(Debug)]
pub(super) enum Notice {
    Key(KeyEvent),
    Paste(String),
    FocusGained,
    Answer(Answer),
    /// Something is ready that was worked on elsewhere.
    Woken,
    /// SIGWINCH, SIGTSTP or SIGCONT.
    Signal(i32),
    Ended(End),
}

/// What the terminal said, long after it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its name: it has read what was written before the question.
    Name,
    /// What became of a picture.
    Graphics { id: u32, error: Option<String> },
}

/// Why there is no more input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Signal(i32),
    /// The terminal has gone away.
    HungUp,
}

/// The threads. They end when this is dropped.
pub(super) struct Input {
    _stop: UnixStream,
    pub notices: Receiver<Notice>,
    pub sender: Sender<Notice>,
}

impl Input {
    pub fn start() -> std::io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let (sender, notices) = channel();
        let (read, write) = UnixStream::pair()?;
        let signals = [SIGWINCH, SIGTSTP, SIGCONT, SIGTERM, SIGINT, SIGHUP];
        let signals = SignalDelivery::with_pipe(read, write, SignalOnly, signals)?;
        {
            let (sender, tty, stopped) = (sender.clone(), tty()?, stopped.try_clone()?);
            std::thread::Builder::new()
                .name("signals".to_owned())
                .spawn(move || watch(signals, &tty, &stopped, &sender))?;
        }
        {
            let (sender, tty) = (sender.clone(), tty()?);
            std::thread::Builder::new().name("input".to_owned()).spawn(move || listen(&tty, &stopped, &sender))?;
        }
        Ok(Self { _stop: stop, notices, sender })
    }
}

/// The terminal that keys come from: the one that crossterm reads.
pub(super) fn tty() -> std::io::Result<OwnedFd> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { Ok(File::open("/dev/tty")?.into()) }
}

/// How long crossterm looks for more, and how often in vain. It does not look at all without any time, and it may spend
/// its time on what is no event for us, with a key behind it that would be seen when the next one is typed.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 2;

fn watch(
    mut signals: SignalDelivery<UnixStream, SignalOnly>,
    tty: &OwnedFd,
    stopped: &UnixStream,
    sender: &Sender<Notice>,
) {
    let mut asked_to_end = false;
    let mut hung_up = false;
    loop {
        let mut waiting = vec![PollFd::new(signals.get_read(), PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        if !hung_up {
            // Of its end, and not of its input, one is told without asking.
            waiting.push(PollFd::new(tty, PollFlags::empty()));
        }
        match poll(&mut waiting, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let is_stopped = !waiting[1].revents().is_empty();
        let gone = waiting.get(2).is_some_and(|tty| tty.revents().intersects(PollFlags::HUP | PollFlags::ERR));
        if is_stopped {
            return;
        }
        if gone && !hung_up {
            hung_up = true;
            let _ = sender.send(Notice::Ended(End::HungUp));
        }
        for signal in signals.pending() {
            let notice = match signal {
                SIGWINCH | SIGTSTP | SIGCONT => Notice::Signal(signal),
                _ if !asked_to_end => {
                    asked_to_end = true;
                    Notice::Ended(End::Signal(signal))
                }
                // The screen did not listen to the first one.
                _ => session::leave_now(signal),
            };
            if sender.send(notice).is_err() {
                return;
            }
        }
    }
}

fn listen(tty: &OwnedFd, stopped: &UnixStream, sender: &Sender<Notice>) {
    let mut answers = Answers::default();
    loop {
        let patience = answers.wait(Instant::now());
        let patience = patience.map(|wait| Timespec { tv_sec: 0, tv_nsec: wait.as_nanos().min(999_999_999) as _ });
        let mut waiting = [PollFd::new(tty, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut waiting, patience.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let (input, stop) = (waiting[0].revents(), waiting[1].revents());
        // The other thread tells of the terminal's end.
        if !stop.is_empty() || input.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return;
        }
        let mut looks = if input.contains(PollFlags::IN) { LOOKS } else { 0 };
        let mut notices = answers.give_up(Instant::now());
        loop {
            if notices.drain(..).any(|notice| sender.send(notice).is_err()) {
                return;
            }
            if looks == 0 {
                break;
            }
            match event::poll(LOOK) {
                Ok(true) => {
                    looks = LOOKS;
                    let Ok(event) = event::read() else { break };
                    notices.extend(answers.sort(event, Instant::now()));
                }
                Ok(false) => looks -= 1,
                Err(_) => break,
            }
            notices.extend(answers.give_up(Instant::now()));
        }
    }
}

/// Tells answers from keys. crossterm knows no strings from a terminal (`ESC P … ESC \`, `ESC _ … ESC \`): it makes
/// Alt-P of their beginning and keys of the rest. They are put together again here, so that neither an answer that was
/// waited for nor one that came too late is ever typed.
#[derive(Default)]
struct Answers {
    /// Keys that may be the beginning of an answer, and what they were as bytes.
    held: Vec<KeyEvent>,
    text: String,
    last: Option<Instant>,
}

/// Within an answer nothing pauses for so long, and no finger is so quick.
const PAUSE: Duration = Duration::from_millis(15);
/// Once it is clear that it is an answer, more patience is right: the link may stop in its middle.
const LONG_PAUSE: Duration = Duration::from_millis(500);
const LONGEST: usize = 512;

impl Answers {
    fn sort(&mut self, event: event::Event, now: Instant) -> Vec<Notice> {
        match event {
            event::Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key, now),
            event::Event::Paste(text) => self.release().chain([Notice::Paste(text)]).collect(),
            event::Event::FocusGained => self.release().chain([Notice::FocusGained]).collect(),
            // The size is asked for when SIGWINCH says so; the mouse is off.
            _ => Vec::new(),
        }
    }

    fn key(&mut self, key: KeyEvent, now: Instant) -> Vec<Notice> {
        let bytes = written(&key);
        let text = bytes.as_ref().map(|bytes| self.text.clone() + bytes);
        if let Some(text) = text.filter(|text| may_begin_an_answer(text)) {
            self.held.push(key);
            self.text = text;
            self.last = Some(now);
            return self.ended().into_iter().map(Notice::Answer).collect();
        }
        if self.held.is_empty() {
            return vec![Notice::Key(key)];
        }
        // What was held was typed after all; this key may begin an answer of its own.
        let mut notices: Vec<Notice> = self.release().collect();
        notices.extend(self.key(key, now));
        notices
    }

    /// The answer, if its end is there; what is understood by nobody is dropped as well.
    fn ended(&mut self) -> Option<Answer> {
        if !self.text.ends_with("\x1b\\") {
            return None;
        }
        let mut parser = Parser::default();
        let reply = self.text.bytes().find_map(|byte| parser.feed(byte));
        self.clear();
        match reply? {
            Reply::Name(_) => Some(Answer::Name),
            Reply::Graphics { id, error } => Some(Answer::Graphics { id, error }),
            _ => None,
        }
    }

    /// What was held for too long was typed.
    fn give_up(&mut self, now: Instant) -> Vec<Notice> {
        if self.wait(now) != Some(Duration::ZERO) {
            return Vec::new();
        }
        if is_surely_an_answer(&self.text) {
            self.clear();
            return Vec::new();
        }
        self.release().collect()
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        let pause = if is_surely_an_answer(&self.text) { LONG_PAUSE } else { PAUSE };
        self.last.map(|last| (last + pause).saturating_duration_since(now))
    }

    fn release(&mut self) -> impl Iterator<Item = Notice> + use<> {
        let held = std::mem::take(&mut self.held);
        self.clear();
        held.into_iter().map(Notice::Key)
    }

    fn clear(&mut self) {
        self.held.clear();
        self.text.clear();
        self.last = None;
    }
}

/// The bytes that crossterm made this key of, where they could be part of an answer.
fn written(key: &KeyEvent) -> Option<String> {
    let is_plain = (key.modifiers - KeyModifiers::ALT - KeyModifiers::SHIFT).is_empty();
    match key.code {
        KeyCode::Esc if key.modifiers.is_empty() => Some("\x1b".to_owned()),
        KeyCode::Char(letter) if is_plain && key.modifiers.contains(KeyModifiers::ALT) => Some(format!("\x1b{letter}")),
        KeyCode::Char(letter) if is_plain => Some(letter.to_string()),
        _ => None,
    }
}

fn may_begin_an_answer(text: &str) -> bool {
    let known = ["\x1b_G", "\x1bP"];
    let inside =
        text.strip_suffix("\x1b\\").or(text.strip_suffix('\x1b').filter(|inside| !inside.is_empty())).unwrap_or(text);
    text.len() <= LONGEST
        && known.iter().any(|start| start.starts_with(text) || text.starts_with(start))
        && (inside.len() < 2 || !inside[1..].contains('\x1b'))
}

/// Nobody types this.
fn is_surely_an_answer(text: &str) -> bool {
    ["\x1b_Gi", "\x1bP>|", "\x1bP1+r", "\x1bP0+r"].iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events that crossterm makes of these bytes, with an escape at the end of a packet (`|`) taken for the key.
    fn typed(text: &str) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        for packet in text.split('|') {
            let packet = packet.replace('¦', "|");
            let mut letters = packet.chars();
            while let Some(letter) = letters.next() {
                let (letter, alt) = match letter {
                    '\x1b' => match letters.next() {
                        Some(next) => (next, KeyModifiers::ALT),
                        None => {
                            keys.push(KeyCode::Esc.into());
                            continue;
                        }
                    },
                    letter => (letter, KeyModifiers::NONE),
                };
                let shift = if letter.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
                keys.push(KeyEvent::new(KeyCode::Char(letter), alt | shift));
            }
        }
        keys
    }

    /// What becomes of bytes that come at once; `give_up` is called at the end, after a long while.
    fn sorted(text: &str) -> (String, Vec<Answer>) {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let mut notices = Vec::new();
        for key in typed(text) {
            notices.extend(answers.sort(event::Event::Key(key), now));
        }
        notices.extend(answers.give_up(now + LONG_PAUSE));
        let mut keys = String::new();
        let mut found = Vec::new();
        for notice in notices {
            match notice {
                Notice::Key(key) => keys += &written(&key).unwrap(),
                Notice::Answer(answer) => found.push(answer),
                other => panic!("{other:?}"),
            }
        }
        (keys, found)
    }

    #[test]
    fn answers_are_no_keys() {
        let ok = Answer::Graphics { id: 77, error: None };
        let bad = Answer::Graphics { id: 77, error: Some("EINVAL:bad png".to_owned()) };
        let cases = [
            ("\x1bP>¦kitty(0.41.1)\x1b\\", "", vec![Answer::Name]),
            ("jj\x1b_Gi=77;OK\x1b\\k", "jjk", vec![ok.clone()]),
            ("\x1b_Gi=77;EINVAL:bad png\x1b\\\x1bP>¦foot(1.21.0)\x1b\\", "", vec![bad, Answer::Name]),
            // Cut behind every escape, and elsewhere.
            ("\x1b|_Gi=|77;OK\x1b|\\q", "q", vec![ok]),
            ("\x1b|P>¦Konsole 25.04.2\x1b|\\", "", vec![Answer::Name]),
            // Answers that nobody waits for are not typed either.
            ("\x1bP1+r544e=666F6F74\x1b\\x", "x", vec![]),
            ("\x1bP>¦cut off in the midd", "", vec![]),
        ];
        for (text, keys, answers) in cases {
            assert_eq!(sorted(text), (keys.to_owned(), answers), "{text:?}");
        }
    }

    #[test]
    fn keys_are_no_answers() {
        for text in [
            "\x1b|",
            "\x1bx",
            "\x1b|\x1b|",
            "\x1bP",
            "\x1b_",
            "\x1b_x\x1b\\",
            "\x1bPq",
            "\\",
            "P>",
            "\x1b|q",
            "a\x1b|_x",
        ] {
            let bytes = text.replace('|', "");
            assert_eq!(sorted(text), (bytes, vec![]), "{text:?}");
        }
    }

    #[test]
    fn the_escape_key_is_held_for_a_moment_only() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        assert!(answers.key(KeyCode::Esc.into(), now).is_empty());
        assert_eq!(answers.wait(now), Some(PAUSE));
        assert!(answers.give_up(now + PAUSE / 2).is_empty());
        assert!(matches!(answers.give_up(now + PAUSE)[..], [Notice::Key(_)]));
        assert_eq!(answers.wait(now), None);
        // Another key is not waited for.
        assert!(answers.key(KeyCode::Esc.into(), now).is_empty());
        assert_eq!(answers.key(KeyCode::Down.into(), now).len(), 2);
    }
}
