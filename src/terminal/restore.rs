//! Restores the terminal however the program ends: by return, error, panic or signal.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, DisableMouseCapture};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{EndSynchronizedUpdate, LeaveAlternateScreen, disable_raw_mode};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGABRT, SIGBUS, SIGQUIT};
use signal_hook::low_level::emulate_default_handler;

use super::{kitty, tty};

/// Whether the terminal has to be restored.
static ARMED: AtomicBool = AtomicBool::new(false);
/// The thread that draws the screen.
static DRAWING_THREAD: Mutex<Option<ThreadId>> = Mutex::new(None);
/// Panic messages of other threads, printed once the screen is closed.
static DEFERRED_PANICS: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
/// How long to wait for a terminal that does not read.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

/// The terminal and its modes before the session, for [`restore_in_handler`].
static MODES_BEFORE: OnceLock<(OwnedFd, Termios)> = OnceLock::new();
/// Signals that end the program at once, whatever the screen does: from `kill`, `abort` or a file that shrank while it
/// was mapped.
const ENDING_AT_ONCE: [i32; 3] = [SIGABRT, SIGBUS, SIGQUIT];

/// Arms [`restore`] and makes panics and signals that end the program call it. Call it on the thread that draws, before
/// the terminal's modes change.
pub(super) fn arm() {
    install_panic_hook();
    install_signal_handlers();
    *lock(&DRAWING_THREAD) = Some(std::thread::current().id());
    ARMED.store(true, Ordering::SeqCst);
}

/// Leaves the alternate screen, deletes uploaded pictures and resets all modes. A second call does nothing.
///
/// Errors are ignored: they mean that the terminal is gone.
pub(super) fn restore() {
    if !ARMED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut bytes = Vec::new();
    let _ = queue!(bytes, EndSynchronizedUpdate);
    bytes.extend(kitty::delete_all());
    let _ = queue!(
        bytes,
        DisableFocusChange,
        DisableBracketedPaste,
        DisableMouseCapture,
        ResetColor,
        Show,
        LeaveAlternateScreen
    );
    tty::write_within(&bytes, WRITE_LIMIT);
    let _ = disable_raw_mode();
}

/// Restores the terminal and prints the panics of other threads.
#[expect(clippy::print_stderr, reason = "the screen is gone; these lines go to the shell")]
pub(super) fn close() {
    restore();
    *lock(&DRAWING_THREAD) = None;
    for message in lock(&DEFERRED_PANICS).drain(..) {
        eprintln!("{message}");
    }
}

/// Ends the program from a thread that does not draw, because the drawing thread does not respond.
pub(super) fn exit_now(signal: i32) -> ! {
    restore();
    std::process::exit(128 + signal)
}

fn install_signal_handlers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if let Ok(terminal) = tty::open_input()
            && let Ok(modes) = tcgetattr(&terminal)
        {
            let _ = MODES_BEFORE.set((terminal, modes));
        }
        for signal in ENDING_AT_ONCE {
            let end = move || {
                restore_in_handler();
                let _ = emulate_default_handler(signal);
            };
            // SAFETY: the action only uses what is safe in a signal handler: atomics, the clock, `poll`, `write`,
            // `tcsetattr` and signal-hook's own default handler. It takes no lock and allocates nothing.
            let _ = unsafe { signal_hook::low_level::register(signal, end) };
        }
    });
}

/// Restores the terminal from a signal handler. The terminal forgets uploaded pictures itself.
fn restore_in_handler() {
    const LEAVE: &[u8] = b"\x1b[?2026l\x1b[?1004l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";
    if ARMED.swap(false, Ordering::SeqCst) {
        tty::write_within(LEAVE, WRITE_LIMIT);
        if let Some((terminal, modes)) = MODES_BEFORE.get() {
            let _ = tcsetattr(terminal, OptionalActions::Now, modes);
        }
    }
}

/// A panic of the drawing thread restores the terminal before its message is printed. A panic of another thread is kept
/// until the screen is closed, because its message would be unreadable on the screen.
fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let drawing = DRAWING_THREAD.try_lock().map(|thread| *thread).unwrap_or(None);
            let is_other_thread = drawing.is_some_and(|thread| thread != std::thread::current().id());
            if is_other_thread && ARMED.load(Ordering::SeqCst) && std::io::stderr().is_terminal() {
                lock(&DEFERRED_PANICS).push_back(info.to_string());
                return;
            }
            restore();
            previous(info);
        }));
    });
}

/// The values behind these locks are consistent even if a thread panicked while it held one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
