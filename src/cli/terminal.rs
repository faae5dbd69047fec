//! What the terminal on stdout can do, found out without ever waiting for long.

use std::io::IsTerminal;

/// How pictures get onto the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    Kitty,
    Iterm2,
    HalfBlocks,
    Off,
}

/// What was found, and why it is thought so.
#[derive(Clone, Debug)]
pub struct Terminal {
    pub images: Images,
    pub why: String,
    /// In character cells.
    pub columns: u16,
    pub rows: u16,
    pub truecolor: bool,
}

/// The variable that overrules the guess.
pub const VARIABLE: &str = "PENTIMENTO_IMAGES";

impl Images {
    pub fn name(self) -> &'static str {
        match self {
            Self::Kitty => "kitty",
            Self::Iterm2 => "iterm2",
            Self::HalfBlocks => "halfblocks",
            Self::Off => "off",
        }
    }
}

impl Terminal {
    /// Looks at stdout. Asks the terminal at most one question, for at most a second.
    pub fn on_stdout() -> Self {
        let (columns, rows) = viuer::terminal_size();
        let colours = std::env::var("COLORTERM").unwrap_or_default();
        let truecolor = colours.contains("truecolor") || colours.contains("24bit");
        let (images, why) = images();
        Self { images, why, columns, rows, truecolor }
    }
}

fn images() -> (Images, String) {
    if !std::io::stdout().is_terminal() {
        return (Images::Off, "the output goes to a file or a pipe".to_owned());
    }
    let term = std::env::var("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return (Images::Off, format!("TERM is {term:?}, which promises nothing"));
    }
    if let Ok(choice) = std::env::var(VARIABLE) {
        let known = [Images::Kitty, Images::Iterm2, Images::HalfBlocks, Images::Off];
        if let Some(images) = known.into_iter().find(|images| images.name() == choice) {
            return (images, format!("{VARIABLE} says so"));
        }
    }
    if viuer::is_iterm_supported() {
        return (Images::Iterm2, "the environment names a terminal that shows iTerm2's pictures".to_owned());
    }
    match answers_kitty() {
        Some(true) => (Images::Kitty, "the terminal said that it shows kitty's pictures".to_owned()),
        Some(false) => (Images::HalfBlocks, "the terminal said nothing about pictures of its own".to_owned()),
        None => (Images::HalfBlocks, "the terminal could not be asked".to_owned()),
    }
}

/// Asks whether kitty's graphics are understood, and for the device's attributes, which every terminal knows: when
/// their answer comes without the other, the other will not come. `None` if nothing comes, or nobody can be asked.
#[cfg(unix)]
fn answers_kitty() -> Option<bool> {
    const QUESTION: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c";
    let reply = unix::ask(QUESTION, std::time::Duration::from_secs(1))?;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    reply.contains("\x1b[?").then(|| reply.contains("_Gi=31;OK"))
}

#[cfg(not(unix))]
fn answers_kitty() -> Option<bool> {
    None
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::getpgrp;
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcsetattr};

    /// Writes a question to the terminal and reads until the device attributes' answer (`ESC [ ? … c`) or the time is
    /// over. Ctrl-C keeps its meaning meanwhile.
    pub fn ask(question: &[u8], limit: Duration) -> Option<Vec<u8>> {
        let mut tty = File::options().read(true).write(true).open("/dev/tty").ok()?;
        // A program in the background would be stopped for changing the terminal's modes.
        if tcgetpgrp(&tty).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&tty).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&tty, OptionalActions::Drain, &quiet).ok()?;
        let reply = exchange(&mut tty, question, limit);
        // Flushes what came too late, so that it does not end up on the shell's line.
        let _ = tcsetattr(&tty, OptionalActions::Flush, &before);
        reply
    }

    fn exchange(tty: &mut File, question: &[u8], limit: Duration) -> Option<Vec<u8>> {
        tty.write_all(question).ok()?;
        let deadline = Instant::now() + limit;
        let mut reply = Vec::new();
        while !is_whole(&reply) {
            let left = deadline.checked_duration_since(Instant::now())?;
            let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
            let mut waiting = [PollFd::new(&*tty, PollFlags::IN)];
            if poll(&mut waiting, Some(&left)).ok()? == 0 {
                return None;
            }
            let mut part = [0; 256];
            match tty.read(&mut part).ok()? {
                0 => return None,
                count => reply.extend_from_slice(&part[..count]),
            }
        }
        Some(reply)
    }

    fn is_whole(reply: &[u8]) -> bool {
        let start = reply.windows(3).position(|window| window == b"\x1b[?");
        start.is_some_and(|start| reply[start..].contains(&b'c'))
    }
}
