//! A simulated terminal: answers queries as a real one does, and records what it receives and when.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The size of a cell in pixels.
const CELL: (u16, u16) = (8, 17);

/// The terminal that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Kitty,
    Iterm2,
    /// foot.
    Sixel,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Kitty => "kitty",
            Self::Iterm2 => "iTerm2",
            Self::Sixel => "sixel",
        }
    }

    /// The name and the device attributes that it reports.
    fn replies(self) -> (&'static str, &'static str) {
        match self {
            Self::Kitty => ("kitty(0.41.1)", "\x1b[?62;52;c"),
            Self::Iterm2 => ("iTerm2 3.5.14", "\x1b[?64;1;2;4;6;17;18;21;22;52c"),
            Self::Sixel => ("foot(1.21.0)", "\x1b[?62;4;22;28c"),
        }
    }
}

/// Bytes that arrived together.
pub struct Part {
    /// The time since the key.
    pub at: Duration,
    pub bytes: Vec<u8>,
}

/// One synchronised update.
pub struct Frame {
    pub ended: Duration,
    pub bytes: usize,
    /// Whether it changes the first line only, which shows the worker's progress.
    pub is_title: bool,
}

pub struct Terminal {
    kind: Kind,
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    incoming: Receiver<(Instant, Vec<u8>)>,
    began: Instant,
    /// Everything received so far, for [`Self::until`].
    received: Vec<u8>,
}

impl Terminal {
    pub fn open(command: &mut Command, kind: Kind, (cols, rows): (u16, u16)) -> Result<Self> {
        let (pixel_width, pixel_height) = (cols * CELL.0, rows * CELL.1);
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width, pixel_height })?;
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env_clear();
        for (name, value) in command.get_envs() {
            value.into_iter().for_each(|value| builder.env(name, value));
        }
        builder.env("TERM", "xterm-256color");
        builder.env("COLORTERM", "truecolor");
        let began = Instant::now();
        let child = pair.slave.spawn_command(builder)?;
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader()?;
        let (to, incoming) = channel();
        std::thread::spawn(move || {
            let mut part = vec![0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut part) {
                if to.send((Instant::now(), part[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer()?;
        Ok(Self { kind, _master: pair.master, writer, child, incoming, began, received: Vec::new() })
    }

    /// Presses a key and receives until nothing has arrived for `quiet`.
    pub fn press(&mut self, key: &str, quiet: Duration) -> Result<Vec<Part>> {
        let pressed = Instant::now();
        self.writer.write_all(key.as_bytes())?;
        self.writer.flush()?;
        Ok(self.receive(pressed, quiet, Duration::from_secs(20)))
    }

    /// Receives until nothing has arrived for `quiet`.
    pub fn until_quiet(&mut self, quiet: Duration) -> Vec<Part> {
        self.receive(self.began, quiet, Duration::from_secs(20))
    }

    /// Receives for this long.
    pub fn wait(&mut self, time: Duration) -> Vec<Part> {
        self.receive(Instant::now(), time, time)
    }

    /// The time from the start until this text arrives.
    pub fn until(&mut self, text: &str, timeout: Duration) -> Result<Duration> {
        let deadline = Instant::now() + timeout;
        loop {
            if self.received.windows(text.len()).any(|part| part == text.as_bytes()) {
                return Ok(self.began.elapsed());
            }
            match self.incoming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((_, bytes)) => self.handle(&bytes),
                Err(_) => bail!("{text:?} does not arrive within {timeout:?}"),
            }
        }
    }

    /// The CPU time of all threads of the program.
    pub fn cpu_time(&self) -> Result<Duration> {
        let id = self.child.process_id().context("the program has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(10 * ticks))
    }

    /// Presses the key that ends the program, and waits for its end.
    pub fn end(mut self, key: &str) -> Result<()> {
        self.writer.write_all(key.as_bytes())?;
        self.writer.flush()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            if let Ok((_, bytes)) = self.incoming.recv_timeout(Duration::from_millis(20)) {
                self.handle(&bytes);
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                bail!("the program does not end");
            }
        }
        Ok(())
    }

    fn receive(&mut self, since: Instant, quiet: Duration, limit: Duration) -> Vec<Part> {
        let mut parts = Vec::new();
        let end = Instant::now() + limit;
        while Instant::now() < end {
            match self.incoming.recv_timeout(quiet.min(end.saturating_duration_since(Instant::now()))) {
                Ok((at, bytes)) => {
                    self.handle(&bytes);
                    parts.push(Part { at: at.saturating_duration_since(since), bytes });
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        parts
    }

    /// Answers queries. A query arrives in one piece, because it is written at once.
    fn handle(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        let (name, attributes) = self.kind.replies();
        let count = |query: &[u8]| bytes.windows(query.len()).filter(|part| *part == query).count();
        let mut reply = String::new();
        if self.kind == Kind::Kitty && count(b"a=q,t=d") > 0 {
            reply.push_str("\x1b_Gi=31;OK\x1b\\");
        }
        reply.push_str(&format!("\x1b[6;{};{}t", CELL.1, CELL.0).repeat(count(b"\x1b[16t")));
        reply.push_str(&format!("\x1bP>|{name}\x1b\\").repeat(count(b"\x1b[>q")));
        reply.push_str(&attributes.repeat(count(b"\x1b[c")));
        // Fails if the program has ended.
        let _ = self.writer.write_all(reply.as_bytes());
        let _ = self.writer.flush();
    }
}

/// The frames in what arrived. Bytes between two frames count to the second one.
pub fn frames(parts: &[Part]) -> Vec<Frame> {
    const END: &[u8] = b"\x1b[?2026l";
    let mut frames = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    for part in parts {
        open.extend_from_slice(&part.bytes);
        while let Some(at) = open.windows(END.len()).position(|bytes| bytes == END) {
            let frame: Vec<u8> = open.drain(..at + END.len()).collect();
            frames.push(Frame { ended: part.at, bytes: frame.len(), is_title: is_title(&frame) });
        }
    }
    frames
}

/// Whether the cursor moves to no line but the first.
fn is_title(frame: &[u8]) -> bool {
    let text = String::from_utf8_lossy(frame);
    text.split("\x1b[").skip(1).all(|sequence| {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(sequence.len());
        !sequence[end..].starts_with('H') || sequence.starts_with("1;")
    })
}
