//! Asks the terminal what it can do: all queries in one write, with one time limit for the replies.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcsetattr};

use super::reply::{Parser, Reply};
use super::{tmux, typed_ahead};

/// Who answers the queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// A terminal, or a multiplexer that passes no queries through.
    One,
    /// tmux, and the terminal behind it.
    Two,
}

/// The replies that arrived in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Device attributes and name of the terminal, or of the tmux in front of it.
    pub attributes: Option<Vec<u16>>,
    pub name: Option<String>,
    /// Device attributes and name of the terminal behind tmux.
    pub outer_attributes: Option<Vec<u16>>,
    pub outer_name: Option<String>,
    /// Whether any layer accepted the kitty graphics query.
    pub kitty_graphics: bool,
    /// Width and height of a character cell in pixels.
    pub cell_size: Option<(u16, u16)>,
    /// Width and height of the window in pixels.
    pub window_size: Option<(u16, u16)>,
}

/// Asks for the name (XTVERSION). A reply also proves that the terminal has read everything before the query.
pub const NAME_QUERY: &[u8] = b"\x1b[>q";
/// Asks for the device attributes (DA1).
const ATTRIBUTES_QUERY: &[u8] = b"\x1b[c";
/// Asks whether kitty's protocol would accept a picture of one pixel, with id [`GRAPHICS_QUERY_ID`].
const GRAPHICS_QUERY: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
const GRAPHICS_QUERY_ID: u32 = 31;
const CELL_SIZE_QUERY: &[u8] = b"\x1b[16t";
const WINDOW_SIZE_QUERY: &[u8] = b"\x1b[14t";

/// How long after the question a late reply is still waited for before the program ends.
const LATE_LIMIT: Duration = Duration::from_millis(2500);

/// A question whose last reply did not come in time, and how long it is waited for.
struct Unanswered {
    exchange: Exchange,
    until: Instant,
}

static UNANSWERED: Mutex<Option<Unanswered>> = Mutex::new(None);

/// Sends the queries and waits until the last one is answered or `limit` is over. Nothing else may read the terminal
/// meanwhile. Without a terminal, or in the background, there are no replies. Keys that are typed meanwhile are kept for
/// the session. Call [`settle`] before the program ends.
pub fn ask(layers: Layers, limit: Duration) -> Replies {
    let asked = Instant::now();
    let mut exchange = Exchange { layers, replies: Replies::default(), parser: Parser::default() };
    // After an error, the replies so far count.
    let is_asked = exchange.run(&queries(layers), asked + limit).unwrap_or(false);
    typed_ahead::keep(&exchange.parser.take_typed());
    let replies = exchange.replies.clone();
    if is_asked && !replies.are_complete(layers) {
        *unanswered() = Some(Unanswered { exchange, until: asked + LATE_LIMIT });
    }
    replies
}

/// Reads replies that are still to come, for a limited time: otherwise the shell would take them for input. Does nothing
/// if the terminal has answered. Call it before the program ends, when nothing else reads the terminal.
pub fn settle() {
    let Some(Unanswered { mut exchange, until }) = unanswered().take() else { return };
    // What has arrived is read even after the limit. A terminal that is gone owes nothing.
    let _ = exchange.run(b"", until);
}

/// Until when replies may come; `None` if the terminal has answered.
pub(super) fn unanswered_until() -> Option<Instant> {
    unanswered().as_ref().map(|unanswered| unanswered.until)
}

/// The session has read the terminal's name. The reply after it, which is the last one, follows at once.
pub(super) fn name_has_arrived() {
    if let Some(unanswered) = unanswered().as_mut() {
        unanswered.until = unanswered.until.min(Instant::now() + Duration::from_millis(100));
    }
}

/// The session has read everything that has arrived: only replies that may still come are owed.
pub(super) fn session_has_ended() {
    unanswered().take_if(|unanswered| unanswered.until <= Instant::now());
}

/// The value is consistent even if a thread panicked while it held the lock.
fn unanswered() -> MutexGuard<'static, Option<Unanswered>> {
    UNANSWERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The queries. Every terminal answers the last one.
pub fn queries(layers: Layers) -> Vec<u8> {
    let queries = [GRAPHICS_QUERY, CELL_SIZE_QUERY, WINDOW_SIZE_QUERY, NAME_QUERY, ATTRIBUTES_QUERY];
    match layers {
        // A terminal that does not even recognise the form of a query prints it; this wipes the line.
        Layers::One => [&queries.concat()[..], b"\r\x1b[K"].concat(),
        Layers::Two => {
            let wrapped = queries.iter().flat_map(|query| tmux::wrap(query));
            NAME_QUERY.iter().chain(ATTRIBUTES_QUERY).copied().chain(wrapped).collect()
        }
    }
}

impl Replies {
    /// Adds a reply. The nearest layer answers first, so a second name or attribute list is the outer terminal's.
    pub fn add(&mut self, reply: Reply) {
        match reply {
            Reply::Attributes(list) if self.attributes.is_none() => self.attributes = Some(list),
            Reply::Attributes(list) => self.outer_attributes = Some(list),
            Reply::Name(name) if self.name.is_none() => self.name = Some(name),
            Reply::Name(name) => self.outer_name = Some(name),
            Reply::Graphics { id: GRAPHICS_QUERY_ID, error } => self.kitty_graphics = error.is_none(),
            Reply::Graphics { .. } => {}
            Reply::CellSize(width, height) => self.cell_size = Some((width, height)),
            Reply::WindowSize(width, height) => self.window_size = Some((width, height)),
        }
    }

    /// Whether the last query is answered. Queries before it that have no reply yet will not get one.
    pub fn are_complete(&self, layers: Layers) -> bool {
        match layers {
            Layers::One => self.attributes.is_some(),
            Layers::Two => self.attributes.is_some() && self.outer_attributes.is_some(),
        }
    }
}

/// Queries and their replies.
struct Exchange {
    layers: Layers,
    replies: Replies,
    parser: Parser,
}

impl Exchange {
    /// Sends queries and reads replies until the deadline, in a mode without echo. False in the background.
    fn run(&mut self, queries: &[u8], deadline: Instant) -> std::io::Result<bool> {
        let mut tty = File::options().read(true).write(true).open("/dev/tty")?;
        // The system would stop a background program for changing the terminal's modes.
        if tcgetpgrp(&tty)? != getpgrp() {
            return Ok(false);
        }
        let before = tcgetattr(&tty)?;
        let mut quiet = before.clone();
        // ISIG stays set, so that Ctrl-C works meanwhile.
        quiet.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&tty, OptionalActions::Drain, &quiet)?;
        let outcome = tty.write_all(queries).and_then(|()| self.read(&mut tty, deadline));
        // Keys that were typed after the last reply stay in the terminal's queue.
        tcsetattr(&tty, OptionalActions::Now, &before)?;
        outcome.map(|()| true)
    }

    fn read(&mut self, tty: &mut File, deadline: Instant) -> std::io::Result<()> {
        while !self.replies.are_complete(self.layers) {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
            let mut waiting = [PollFd::new(&*tty, PollFlags::IN)];
            match poll(&mut waiting, Some(&left)) {
                Ok(0) => break,
                Err(rustix::io::Errno::INTR) => continue,
                ready => ready?,
            };
            let mut packet = [0; 256];
            match tty.read(&mut packet)? {
                0 => break,
                count => {
                    for &byte in &packet[..count] {
                        self.parser.feed(byte).into_iter().for_each(|reply| self.replies.add(reply));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_query_is_the_one_that_every_terminal_answers() {
        assert!(queries(Layers::One).ends_with(b"\x1b[c\r\x1b[K"));
        assert!(queries(Layers::Two).ends_with(b"\x1bPtmux;\x1b\x1b[c\x1b\\"));
    }

    #[test]
    fn tmux_answers_before_the_terminal_behind_it() {
        let mut replies = Replies::default();
        assert!(!replies.are_complete(Layers::One));
        replies.add(Reply::Name("tmux 3.3a".to_owned()));
        replies.add(Reply::Attributes(vec![1, 2]));
        assert!(replies.are_complete(Layers::One) && !replies.are_complete(Layers::Two));
        replies.add(Reply::Name("kitty(0.41.1)".to_owned()));
        replies.add(Reply::Attributes(vec![62]));
        assert!(replies.are_complete(Layers::Two));
        let names = (replies.name.as_deref(), replies.outer_name.as_deref());
        assert_eq!(names, (Some("tmux 3.3a"), Some("kitty(0.41.1)")));
    }
}
