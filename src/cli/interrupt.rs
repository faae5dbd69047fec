//! Signals: the first one asks for a stop at the next step, the second one exits at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::failure::INTERRUPTED;
use crate::store;

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
static HUNG_UP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Handles Ctrl-C, SIGTERM and SIGHUP as requests to stop. If a handler cannot be installed, the signal ends the
/// program. Either way, no incomplete picture is written.
pub fn listen() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        handle(signal, INTERRUPTED.into());
    }
}

/// Handles Ctrl-C and SIGTERM as requests to stop; a second one exits with 128 plus its number. Only records SIGHUP.
pub fn listen_as_a_service() {
    for signal in [SIGINT, SIGTERM] {
        handle(signal, 128 + signal);
    }
    let _ = flag::register(SIGHUP, HUNG_UP.clone());
}

/// Whether a signal has asked for a stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Fails if a signal has asked for a stop, with an error of the store that undoes what was begun.
pub fn check() -> store::Result<()> {
    if asked() { Err(store::Error::Stopped) } else { Ok(()) }
}

/// The exit status after that signal.
pub fn status() -> u8 {
    let signal = SIGNAL.load(Ordering::SeqCst);
    u8::try_from(128 + signal).unwrap_or(INTERRUPTED)
}

/// Whether the terminal was closed. Writing to it could end the program.
pub fn hung_up() -> bool {
    HUNG_UP.load(Ordering::SeqCst)
}

fn handle(signal: i32, status: i32) {
    // Handlers run in the order of registration, so that the one that exits sees only earlier signals.
    let _ = flag::register_conditional_shutdown(signal, status, ASKED.clone());
    let _ = flag::register_usize(signal, SIGNAL.clone(), signal.unsigned_abs() as usize);
    let _ = flag::register(signal, ASKED.clone());
}
