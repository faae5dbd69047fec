//! A terminal that answers as a real one would, counts what it is sent, and notes when.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Pixels of a cell.
const CELL: (u16, u16) = (8, 17);

/// Which terminal it is.
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

    /// What it says it is, and what it says it can.
    fn answers(self) -> (&'static str, &'static str) {
        match self {
            Self::Kitty => ("kitty(0.41.1)", "\x1b[?62;52;c"),
            Self::Iterm2 => ("iTerm2 3.5.14", "\x1b[?64;1;2;4;6;17;18;21;22;52c"),
            Self::Sixel => ("foot(1.21.0)", "\x1b[?62;4;22;28c"),
        }
    }
}

/// What came at once.
pub struct Part {
    /// Since the key.
    pub at: Duration,
    pub bytes: Vec<u8>,
}

/// What was drawn as one update.
pub struct Frame {
    pub ended: Duration,
    pub bytes: usize,
    /// Whether it is about the first line only, which says how far the worker is.
    pub is_title: bool,
}

pub struct Terminal {
    kind: Kind,
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    coming: Receiver<(Instant, Vec<u8>)>,
    began: Instant,
    /// What came so far, as far as somebody looks for text in it.
    seen: Vec<u8>,
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
        let (to, coming) = channel();
        std::thread::spawn(move || {
            let mut part = vec![0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut part) {
                if to.send((Instant::now(), part[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer()?;
        Ok(Self { kind, _master: pair.master, writer, child, coming, began, seen: Vec::new() })
    }

    /// Presses a key and takes in what comes until nothing has come for a while.
    pub fn press(&mut self, key: &str, quiet: Duration) -> Result<Vec<Part>> {
        let pressed = Instant::now();
        self.writer.write_all(key.as_bytes())?;
        self.writer.flush()?;
        Ok(self.take(pressed, quiet, Duration::from_secs(20)))
    }

    pub fn until_quiet(&mut self, quiet: Duration) -> Vec<Part> {
        self.take(self.began, quiet, Duration::from_secs(20))
    }

    pub fn wait(&mut self, time: Duration) -> Vec<Part> {
        self.take(Instant::now(), time, time)
    }

    /// How long it took from the start until this was sent.
    pub fn until(&mut self, text: &str, patience: Duration) -> Result<Duration> {
        let deadline = Instant::now() + patience;
        loop {
            if self.seen.windows(text.len()).any(|part| part == text.as_bytes()) {
                return Ok(self.began.elapsed());
            }
            match self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((_, bytes)) => self.heard(&bytes),
                Err(_) => bail!("{text:?} does not come"),
            }
        }
    }

    /// Of the program, in all its threads.
    pub fn processor_time(&self) -> Result<Duration> {
        let id = self.child.process_id().context("the program has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(10 * ticks))
    }

    pub fn end(mut self, key: &str) -> Result<()> {
        self.writer.write_all(key.as_bytes())?;
        self.writer.flush()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            if let Ok((_, bytes)) = self.coming.recv_timeout(Duration::from_millis(20)) {
                self.heard(&bytes);
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                bail!("it does not end");
            }
        }
        Ok(())
    }

    fn take(&mut self, since: Instant, quiet: Duration, most: Duration) -> Vec<Part> {
        let mut parts = Vec::new();
        let end = Instant::now() + most;
        while Instant::now() < end {
            match self.coming.recv_timeout(quiet.min(end.saturating_duration_since(Instant::now()))) {
                Ok((at, bytes)) => {
                    self.heard(&bytes);
                    parts.push(Part { at: at.saturating_duration_since(since), bytes });
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        parts
    }

    /// Answers what is asked. A question is written at once, and comes whole.
    fn heard(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
        let (name, attributes) = self.kind.answers();
        let count = |question: &[u8]| bytes.windows(question.len()).filter(|part| *part == question).count();
        let mut answer = String::new();
        if self.kind == Kind::Kitty && count(b"a=q,t=d") > 0 {
            answer.push_str("\x1b_Gi=31;OK\x1b\\");
        }
        answer.push_str(&format!("\x1b[6;{};{}t", CELL.1, CELL.0).repeat(count(b"\x1b[16t")));
        answer.push_str(&format!("\x1bP>|{name}\x1b\\").repeat(count(b"\x1b[>q")));
        answer.push_str(&attributes.repeat(count(b"\x1b[c")));
        // A program that has ended hears no answer.
        let _ = self.writer.write_all(answer.as_bytes());
        let _ = self.writer.flush();
    }
}

/// The updates in what came; what came between them counts to the one after.
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

/// Whether the cursor is sent to no line but the first.
fn is_title(frame: &[u8]) -> bool {
    let text = String::from_utf8_lossy(frame);
    text.split("\x1b[").skip(1).all(|sequence| {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(sequence.len());
        !sequence[end..].starts_with('H') || sequence.starts_with("1;")
    })
}
