//! Asks the terminal what it can do: all queries in one write, with one time limit for the replies.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcsetattr};

use super::reply::{Parser, Reply};
use super::tmux;

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

/// Sends the queries and waits until the last one is answered or `limit` is over. Nothing else may read the terminal
/// meanwhile. Without a terminal, or in the background, there are no replies.
pub fn ask(layers: Layers, limit: Duration) -> Replies {
    let mut replies = Replies::default();
    // After an error, the replies so far count.
    let _ = exchange(layers, limit, &mut replies);
    replies
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

/// Sends the queries and reads the replies, in a mode without echo.
fn exchange(layers: Layers, limit: Duration, replies: &mut Replies) -> std::io::Result<()> {
    let mut tty = File::options().read(true).write(true).open("/dev/tty")?;
    // The system would stop a background program for changing the terminal's modes.
    if tcgetpgrp(&tty)? != getpgrp() {
        return Ok(());
    }
    let before = tcgetattr(&tty)?;
    let mut quiet = before.clone();
    // ISIG stays set, so that Ctrl-C works meanwhile.
    quiet.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
    quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&tty, OptionalActions::Drain, &quiet)?;
    let outcome = read_replies(&mut tty, layers, limit, replies);
    // Flush drops late replies, which would otherwise appear on the shell's command line.
    tcsetattr(&tty, OptionalActions::Flush, &before)?;
    outcome
}

fn read_replies(tty: &mut File, layers: Layers, limit: Duration, replies: &mut Replies) -> std::io::Result<()> {
    tty.write_all(&queries(layers))?;
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
        let mut packet = [0; 256];
        match tty.read(&mut packet)? {
            0 => break,
            count => packet[..count].iter().filter_map(|&byte| parser.feed(byte)).for_each(|reply| replies.add(reply)),
        }
    }
    Ok(())
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
