//! The full-screen session: takes the terminal, draws frames, and delivers events.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crossterm::cursor::Hide;
use crossterm::event::{DisableMouseCapture, EnableBracketedPaste, EnableFocusChange, KeyEvent};
use crossterm::queue;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};

use super::cell_size::CellSize;
use super::clamped::{ClampedBackend, clamp};
use super::error::Result;
use super::frame::{FrameBuffer, FramePrelude, draws_nothing};
use super::input::{Input, Message, Shutdown};
use super::late_replies::LateReply;
use super::{kitty, probe, restore, tty};

/// What the screen reacts to.
#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    Paste(String),
    Resized,
    /// The size is the same, but this may be another terminal, or one that has lost its contents. The next frame is
    /// drawn completely, and pictures have to be uploaded again.
    Reattached,
    /// Some terminals report a reattachment in no other way.
    FocusGained,
    /// For [`super::pictures::Pictures::handle_reply`].
    Reply(LateReply),
    /// Another thread has something new to draw.
    Woken,
    /// The screen has to close. Nothing more needs to be drawn.
    Shutdown(Shutdown),
}

/// The full screen. It is closed when this is dropped. There is one at a time.
pub struct Session {
    screen: Terminal<ClampedBackend>,
    frame: FrameBuffer,
    out: File,
    input: Input,
    /// Columns and rows.
    size: (u16, u16),
    /// Whether the next frame is drawn completely.
    redraw: bool,
    /// Whether the shell has the terminal.
    is_suspended: bool,
}

/// Wakes the screen from another thread.
#[derive(Clone)]
pub struct ScreenWaker(Sender<Message>);

/// How long [`Session::drain_replies`] waits: several round trips of a slow link.
const DRAIN_LIMIT: Duration = Duration::from_millis(1200);

impl Session {
    /// Takes the terminal. Call [`super::detect()`] before.
    pub fn open() -> Result<Self> {
        tty::require()?;
        // With NO_COLOR, crossterm would drop even the colours that hold the ids of kitty's pictures. The theme without
        // colours obeys NO_COLOR.
        crossterm::style::force_color_output(true);
        let out = tty::open_output()?;
        let frame = FrameBuffer::default();
        let screen = Terminal::new(ClampedBackend::new(frame.clone()))?;
        // Armed first, so that a failure halfway is undone, too.
        restore::arm();
        let opened = enter(&out).and_then(|()| Ok((Input::start()?, clamp(crossterm::terminal::size()?))));
        match opened {
            Ok((input, size)) => Ok(Self { screen, frame, out, input, size, redraw: false, is_suspended: false }),
            Err(error) => {
                restore::restore();
                Err(error)
            }
        }
    }

    /// Waits for the next event; `None` after `timeout`. Handles stopping and resuming by signals.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Event>> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let message = match deadline {
                None => self.input.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.input.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            return Ok(Some(match message {
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => Event::Shutdown(Shutdown::HungUp),
                Ok(Message::Key(key)) => Event::Key(key),
                Ok(Message::Paste(text)) => Event::Paste(text),
                Ok(Message::FocusGained) => Event::FocusGained,
                Ok(Message::Reply(reply)) => {
                    if reply == LateReply::Name {
                        probe::name_has_arrived();
                    }
                    Event::Reply(reply)
                }
                Ok(Message::Woken) => Event::Woken,
                Ok(Message::Shutdown(cause)) => Event::Shutdown(cause),
                Ok(Message::Signal(SIGTSTP)) => {
                    self.suspend()?;
                    continue;
                }
                Ok(Message::Signal(SIGCONT)) => {
                    self.resume()?;
                    Event::Reattached
                }
                Ok(Message::Signal(SIGWINCH)) => self.resized()?,
                Ok(Message::Signal(_)) => continue,
            }));
        }
    }

    /// Writes the prelude (see [`super::pictures::Pictures::prepare_frame`]) and draws a frame, as one update.
    pub fn draw(&mut self, prelude: &FramePrelude, render: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        if self.is_suspended {
            return Ok(());
        }
        self.frame.bytes().clear();
        self.frame.write_all(&prelude.bytes)?;
        queue!(self.frame, BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.redraw) || prelude.clear {
            let (columns, rows) = self.size;
            // `resize` clears the screen. `clear` would ask the terminal for the cursor's position and wait for the reply.
            self.screen.resize(Rect::new(0, 0, columns, rows))?;
        }
        self.screen.draw(render)?;
        queue!(self.frame, EndSynchronizedUpdate)?;
        let frame = self.frame.bytes();
        if draws_nothing(&frame) {
            return Ok(());
        }
        match prelude.compress_placeholders {
            true => self.out.write_all(&kitty::compress_placeholders(&frame))?,
            false => self.out.write_all(&frame)?,
        }
        Ok(())
    }

    /// Writes an escape sequence that draws nothing, such as [`super::clipboard::sequence`].
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Draws the next frame completely (Ctrl-L).
    pub fn redraw(&mut self) {
        self.redraw = true;
    }

    /// Gives the terminal back to the shell and stops the process until the shell continues it (Ctrl-Z). Then
    /// [`Self::next`] returns [`Event::Reattached`].
    pub fn suspend(&mut self) -> Result<()> {
        self.wait_for_answers();
        self.is_suspended = true;
        restore::restore();
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        Ok(())
    }

    /// The size of a character cell, if the terminal reports its own size in pixels.
    pub fn cell_size(&self) -> Option<CellSize> {
        let size = crossterm::terminal::window_size().ok()?;
        let (width, height) = (size.width / size.columns.max(1), size.height / size.rows.max(1));
        (width > 0 && height > 0).then_some(CellSize { width, height })
    }

    /// Reads up to `count` replies that are still to come, because after the session they would be typed into the shell.
    /// Waits for a limited time and returns how many arrived.
    pub fn drain_replies(&mut self, count: usize) -> usize {
        let (mut arrived, deadline) = (0, Instant::now() + DRAIN_LIMIT);
        while arrived < count {
            match self.input.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Message::Reply(LateReply::Name)) => arrived += 1,
                Ok(Message::Shutdown(Shutdown::HungUp)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        arrived
    }

    /// Waits for late replies to the queries of the start, which the shell would take for input.
    fn wait_for_answers(&self) {
        while let Some(until) = probe::unanswered_until().filter(|until| *until > Instant::now()) {
            match self.input.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Message::Reply(LateReply::Name)) => probe::name_has_arrived(),
                Ok(Message::Shutdown(_)) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    pub fn waker(&self) -> ScreenWaker {
        ScreenWaker(self.input.sender.clone())
    }

    fn resume(&mut self) -> Result<()> {
        // The shell may have changed the modes while the process was stopped by SIGSTOP.
        disable_raw_mode()?;
        restore::arm();
        enter(&self.out)?;
        self.size = clamp(crossterm::terminal::size()?);
        (self.redraw, self.is_suspended) = (true, false);
        Ok(())
    }

    fn resized(&mut self) -> Result<Event> {
        let size = clamp(crossterm::terminal::size()?);
        self.redraw = true;
        let event = if size == self.size { Event::Reattached } else { Event::Resized };
        self.size = size;
        Ok(event)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        restore::close();
        probe::session_has_ended();
    }
}

impl ScreenWaker {
    /// Makes [`Session::next`] return [`Event::Woken`]. Does nothing once the session is closed.
    pub fn wake(&self) {
        let _ = self.0.send(Message::Woken);
    }
}

/// Sets the modes of the full screen.
fn enter(mut out: &File) -> Result<()> {
    enable_raw_mode()?;
    let mut bytes = Vec::new();
    queue!(
        bytes,
        EnterAlternateScreen,
        Clear(ClearType::All),
        Hide,
        DisableMouseCapture,
        EnableBracketedPaste,
        EnableFocusChange,
    )?;
    Ok(out.write_all(&bytes)?)
}
