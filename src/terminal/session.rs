//! The drawn screen: raw mode, the alternate screen and all that belongs to them, and their undoing, whatever happens.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange, KeyEvent,
};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};

use super::Result;
use super::input::{Answer, End, Input, Notice};
use super::kitty;
use super::verdict::Cell;

/// What a screen reacts to.
#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    Paste(String),
    Resized,
    /// The same size, but perhaps another terminal, or one that has forgotten: what is drawn next is drawn anew, and
    /// pictures have to travel again.
    Reattached,
    /// Somebody looks again. In some terminals this is all one hears of a reattachment.
    FocusGained,
    /// For [`super::pictures::Pictures::answered`].
    Answer(Answer),
    /// Something is ready that was worked on elsewhere.
    Woken,
    /// The screen has to end, and nothing needs to be drawn any more.
    Ended(End),
}

/// The screen, as long as this lives. There is one at a time.
pub struct Session {
    screen: Terminal<CrosstermBackend<Page>>,
    page: Page,
    out: File,
    input: Input,
    size: (u16, u16),
    /// Whether the next frame is drawn as if nothing were there.
    anew: bool,
    /// Whether the shell has the terminal.
    away: bool,
}

/// What goes before a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Before {
    pub bytes: Vec<u8>,
    /// Whether the screen has to be cleared, because of what lies under its text.
    pub anew: bool,
    /// Whether kitty's placeholders may lose what the cell to their left says.
    pub squeeze: bool,
}

/// Wakes the screen from another thread.
#[derive(Clone)]
pub struct Waker(Sender<Notice>);

/// What is drawn, until its frame is whole.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

/// Whether the terminal is to be restored, and the thread that draws.
static ON: AtomicBool = AtomicBool::new(false);
static DRAWS: Mutex<Option<ThreadId>> = Mutex::new(None);
/// What other threads said in their last moment, to be said when the screen is left.
static LAST_WORDS: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
/// As long as a terminal that does not read is waited for at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Several round trips of a slow link.
const HEARING: Duration = Duration::from_millis(1200);

impl Session {
    /// Takes the terminal. Ask it what it can before ([`super::look`]).
    pub fn open() -> Result<Self> {
        super::require()?;
        // A theme without colours obeys NO_COLOR; crossterm would also take the colours that name kitty's pictures.
        crossterm::style::force_color_output(true);
        let stdout = std::io::stdout();
        let out = File::from(stdout.as_fd().try_clone_to_owned()?);
        let page = Page::default();
        let screen = Terminal::new(CrosstermBackend::new(page.clone()))?;
        restore_on_panic();
        *lock(&DRAWS) = Some(std::thread::current().id());
        // From here on the undoing has something to undo, also if the rest fails.
        ON.store(true, Ordering::SeqCst);
        let opened = Self::take(&out).and_then(|()| Ok((Input::start()?, crossterm::terminal::size()?)));
        match opened {
            Ok((input, size)) => Ok(Self { screen, page, out, input, size, anew: false, away: false }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// The next event; none if the time is over before. Stopping and coming back happen in here.
    pub fn next(&mut self, patience: Option<Duration>) -> Result<Option<Event>> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            let notice = match deadline {
                None => self.input.notices.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.input.notices.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            return Ok(Some(match notice {
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => Event::Ended(End::HungUp),
                Ok(Notice::Key(key)) => Event::Key(key),
                Ok(Notice::Paste(text)) => Event::Paste(text),
                Ok(Notice::FocusGained) => Event::FocusGained,
                Ok(Notice::Answer(answer)) => Event::Answer(answer),
                Ok(Notice::Woken) => Event::Woken,
                Ok(Notice::Ended(end)) => Event::Ended(end),
                Ok(Notice::Signal(SIGTSTP)) => {
                    self.suspend()?;
                    continue;
                }
                Ok(Notice::Signal(SIGCONT)) => {
                    self.come_back()?;
                    Event::Reattached
                }
                Ok(Notice::Signal(SIGWINCH)) => self.resized()?,
                Ok(Notice::Signal(_)) => continue,
            }));
        }
    }

    /// Writes what goes before it (see [`super::pictures::Pictures::tick`]), and draws a frame, as one update.
    pub fn draw(&mut self, before: &Before, render: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        if self.away {
            return Ok(());
        }
        lock(&self.page.0).clear();
        self.page.write_all(&before.bytes)?;
        queue!(self.page, BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.anew) || before.anew {
            let (columns, rows) = self.size;
            // `clear` would ask the terminal where its cursor is, and wait for the answer.
            self.screen.resize(Rect::new(0, 0, columns, rows))?;
        }
        self.screen.draw(render)?;
        queue!(self.page, EndSynchronizedUpdate)?;
        let page = lock(&self.page.0);
        if draws_nothing(&page) {
            return Ok(());
        }
        match before.squeeze {
            true => self.out.write_all(&kitty::squeezed(&page))?,
            false => self.out.write_all(&page)?,
        }
        Ok(())
    }

    /// Writes something that is no text on the screen, such as [`super::clipboard::sequence`].
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.out.write_all(bytes)?)
    }

    /// The next frame is drawn as if nothing were there (Ctrl-L).
    pub fn draw_anew(&mut self) {
        self.anew = true;
    }

    /// Gives the terminal back to the shell and stops, until the shell says to go on (Ctrl-Z). [`Self::next`] then says
    /// that the screen is there again.
    pub fn suspend(&mut self) -> Result<()> {
        self.away = true;
        restore();
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        Ok(())
    }

    /// Pixels of a cell, where the terminal says how large it is.
    pub fn cell(&self) -> Option<Cell> {
        let size = crossterm::terminal::window_size().ok()?;
        let (width, height) = (size.width / size.columns.max(1), size.height / size.rows.max(1));
        (width > 0 && height > 0).then_some(Cell { width, height })
    }

    /// Takes in so many answers that are still on their way, before the terminal is the shell's again, where they would
    /// be typed text. One that does not come is not waited for for long. Returns how many came.
    pub fn hear_out(&mut self, answers: usize) -> usize {
        let (mut heard, deadline) = (0, Instant::now() + HEARING);
        while heard < answers {
            match self.input.notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Notice::Answer(Answer::Name)) => heard += 1,
                Ok(Notice::Ended(End::HungUp)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        heard
    }

    pub fn waker(&self) -> Waker {
        Waker(self.input.sender.clone())
    }

    fn take(out: &File) -> Result<()> {
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
        let mut out = out;
        Ok(out.write_all(&bytes)?)
    }

    fn come_back(&mut self) -> Result<()> {
        // The shell may have changed the modes under a program that was stopped without being asked.
        disable_raw_mode()?;
        ON.store(true, Ordering::SeqCst);
        Self::take(&self.out)?;
        self.size = crossterm::terminal::size()?;
        (self.anew, self.away) = (true, false);
        Ok(())
    }

    fn resized(&mut self) -> Result<Event> {
        let size = crossterm::terminal::size()?;
        self.anew = true;
        let event = if size == self.size { Event::Reattached } else { Event::Resized };
        self.size = size;
        Ok(event)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        restore();
        *lock(&DRAWS) = None;
        for words in lock(&LAST_WORDS).drain(..) {
            eprintln!("{words}");
        }
    }
}

impl Waker {
    pub fn wake(&self) {
        // A screen that has ended needs no waking.
        let _ = self.0.send(Notice::Woken);
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// A frame is written when it is whole.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether a page has nothing but colours and modes, which it ends with whatever it draws.
fn draws_nothing(page: &[u8]) -> bool {
    let mut rest = page;
    while let Some(sequence) = rest.strip_prefix(b"\x1b[") {
        let Some(end) = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { return false };
        if !matches!(sequence[end], b'm' | b'h' | b'l') || sequence.starts_with(b"?25h") {
            return false;
        }
        rest = &sequence[end + 1..];
    }
    rest.is_empty()
}

/// Undoes everything, once. Nothing can be done where it fails: the terminal is gone then.
fn restore() {
    if !ON.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut bytes = Vec::new();
    let _ = queue!(bytes, EndSynchronizedUpdate);
    bytes.extend(kitty::farewell());
    let _ = queue!(
        bytes,
        DisableFocusChange,
        DisableBracketedPaste,
        DisableMouseCapture,
        ResetColor,
        Show,
        LeaveAlternateScreen
    );
    write_within(&bytes, FAREWELL);
    let _ = disable_raw_mode();
}

/// Ends the program from a thread that does not draw, because the one that draws does not listen.
pub(super) fn leave_now(signal: i32) -> ! {
    restore();
    std::process::exit(128 + signal)
}

/// Writes as much as the terminal takes in this time: one that does not read must not keep the program.
fn write_within(bytes: &[u8], limit: Duration) {
    let stdout = std::io::stdout();
    let deadline = Instant::now() + limit;
    for part in bytes.chunks(256) {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        let ready = poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], Some(&left));
        if !matches!(ready, Ok(1)) || rustix::io::write(&stdout, part).is_err() {
            return;
        }
    }
}

/// From now on a panic on the drawing thread restores the terminal before it says what happened. Others say it when
/// the screen is left: on it nobody could read it.
fn restore_on_panic() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let draws = DRAWS.try_lock().map(|draws| *draws).unwrap_or(None);
            let is_elsewhere = draws.is_some_and(|thread| thread != std::thread::current().id());
            if is_elsewhere && ON.load(Ordering::SeqCst) && std::io::stderr().is_terminal() {
                lock(&LAST_WORDS).push_back(info.to_string());
                return;
            }
            restore();
            before(info);
        }));
    });
}

/// What is behind these locks is whole at any time, also if a thread died while holding one.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::draws_nothing;

    #[test]
    fn a_page_without_a_cell_draws_nothing() {
        let end = "\x1b[39m\x1b[49m\x1b[59m\x1b[0m\x1b[?25l\x1b[?2026l";
        let draws = |middle: &str| !draws_nothing(format!("\x1b[?2026h{middle}{end}").as_bytes());
        assert!(!draws(""));
        for middle in ["\x1b[2;3Hx", "x", "\x1b[2J", "\x1b_Ga=T\x1b\\", "\x1b[?25h", "\x1b["] {
            assert!(draws(middle), "{middle:?}");
        }
    }
}
