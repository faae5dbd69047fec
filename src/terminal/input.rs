//! Reads keys, pastes, signals and terminal replies, and detects hang-up.
//!
//! Two threads do this. The `input` thread waits for the terminal itself and lets crossterm parse: crossterm's own waiting
//! can neither be stopped nor notices a hang-up. The `signals` thread waits for signals and hang-up, so that these are
//! noticed even while the other thread is busy.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::event::{self, KeyEvent, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::late_replies::{KeyOrReply, LateReply, ReplyFilter};
use super::{restore, tty, typed_ahead};

/// A message of the threads to the session.
#[derive(Debug)]
pub(super) enum Message {
    Key(KeyEvent),
    Paste(String),
    FocusGained,
    Reply(LateReply),
    /// Another thread has something new to draw.
    Woken,
    /// SIGWINCH, SIGTSTP or SIGCONT.
    Signal(i32),
    Shutdown(Shutdown),
}

/// Why the screen has to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// This signal: SIGTERM, SIGINT or SIGHUP.
    Signal(i32),
    /// The terminal is gone.
    HungUp,
}

/// The two threads. They end when this is dropped.
pub(super) struct Input {
    _stop: UnixStream,
    pub messages: Receiver<Message>,
    pub sender: Sender<Message>,
}

impl Input {
    pub fn start() -> std::io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let (sender, messages) = channel();
        for key in typed_ahead::take() {
            // The receiver is in this function.
            let _ = sender.send(Message::Key(key));
        }
        let (read, write) = UnixStream::pair()?;
        let signals = [SIGWINCH, SIGTSTP, SIGCONT, SIGTERM, SIGINT, SIGHUP];
        let signals = SignalDelivery::with_pipe(read, write, SignalOnly, signals)?;
        {
            let (sender, tty, stopped) = (sender.clone(), tty::open_input()?, stopped.try_clone()?);
            std::thread::Builder::new()
                .name("signals".to_owned())
                .spawn(move || watch_signals(signals, &tty, &stopped, &sender))?;
        }
        {
            let (sender, tty) = (sender.clone(), tty::open_input()?);
            std::thread::Builder::new().name("input".to_owned()).spawn(move || read_input(&tty, &stopped, &sender))?;
        }
        Ok(Self { _stop: stop, messages, sender })
    }
}

/// How long crossterm waits for a complete event. With a timeout of zero it would not read.
const READ_TIMEOUT: Duration = Duration::from_millis(10);
/// How many waits in a row may fail before the input counts as empty. One is too few: crossterm spends a timeout on input
/// that is not an event, and a key behind that input would wait for the next key.
const READ_ATTEMPTS: u32 = 2;

fn watch_signals(
    mut signals: SignalDelivery<UnixStream, SignalOnly>,
    tty: &OwnedFd,
    stopped: &UnixStream,
    sender: &Sender<Message>,
) {
    let mut is_shutting_down = false;
    let mut hung_up = false;
    loop {
        let mut waiting = vec![PollFd::new(signals.get_read(), PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        if !hung_up {
            // Empty flags: poll still reports HUP and ERR.
            waiting.push(PollFd::new(tty, PollFlags::empty()));
        }
        match poll(&mut waiting, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let is_stopped = !waiting[1].revents().is_empty();
        let is_gone = waiting.get(2).is_some_and(|tty| tty.revents().intersects(PollFlags::HUP | PollFlags::ERR));
        if is_stopped {
            return;
        }
        if is_gone && !hung_up {
            hung_up = true;
            let _ = sender.send(Message::Shutdown(Shutdown::HungUp));
        }
        for signal in signals.pending() {
            let message = match signal {
                SIGWINCH | SIGTSTP | SIGCONT => Message::Signal(signal),
                _ if !is_shutting_down => {
                    is_shutting_down = true;
                    Message::Shutdown(Shutdown::Signal(signal))
                }
                // The screen did not react to the first signal.
                _ => restore::exit_now(signal),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    }
}

fn read_input(tty: &OwnedFd, stopped: &UnixStream, sender: &Sender<Message>) {
    let mut filter = ReplyFilter::default();
    loop {
        let timeout = filter.time_until_expiry(Instant::now());
        let timeout = timeout.map(|wait| Timespec { tv_sec: 0, tv_nsec: wait.as_nanos().min(999_999_999) as _ });
        let mut waiting = [PollFd::new(tty, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let (input, stop) = (waiting[0].revents(), waiting[1].revents());
        // The other thread reports the hang-up.
        if !stop.is_empty() || input.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return;
        }
        let mut attempts = if input.contains(PollFlags::IN) { READ_ATTEMPTS } else { 0 };
        let mut messages = messages(filter.expire(Instant::now()));
        loop {
            if messages.drain(..).any(|message| sender.send(message).is_err()) {
                return;
            }
            if attempts == 0 {
                break;
            }
            match event::poll(READ_TIMEOUT) {
                Ok(true) => {
                    attempts = READ_ATTEMPTS;
                    let Ok(event) = event::read() else { break };
                    messages.extend(translate(event, &mut filter, Instant::now()));
                }
                Ok(false) => attempts -= 1,
                Err(_) => break,
            }
            messages.extend(self::messages(filter.expire(Instant::now())));
        }
    }
}

fn translate(event: event::Event, filter: &mut ReplyFilter, now: Instant) -> Vec<Message> {
    match event {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => messages(filter.key(key, now)),
        event::Event::Paste(text) => released_before(Message::Paste(text), filter),
        event::Event::FocusGained => released_before(Message::FocusGained, filter),
        // SIGWINCH reports the size, and the mouse is off.
        _ => Vec::new(),
    }
}

/// The held keys were typed before this message.
fn released_before(message: Message, filter: &mut ReplyFilter) -> Vec<Message> {
    let mut messages = messages(filter.release());
    messages.push(message);
    messages
}

fn messages(events: impl IntoIterator<Item = KeyOrReply>) -> Vec<Message> {
    let message = |event| match event {
        KeyOrReply::Key(key) => Message::Key(key),
        KeyOrReply::Reply(reply) => Message::Reply(reply),
    };
    events.into_iter().map(message).collect()
}
