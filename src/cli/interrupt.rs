//! Signals: the first asks for a stop at the next step, leaving nothing half-made; the second stops at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// 128 + SIGINT, as shells count.
const INTERRUPTED: i32 = 130;

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
static HUNG_UP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on Ctrl-C, SIGTERM and SIGHUP ask for a stop. Where the system refuses a handler, a signal ends the program
/// as usual: pictures are written whole or not at all either way.
pub fn listen() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        stops(signal, INTERRUPTED);
    }
}

/// From now on Ctrl-C and SIGTERM ask for a stop, and a second one leaves with 128 and its number. SIGHUP is noted.
pub fn listen_as_a_service() {
    for signal in [SIGINT, SIGTERM] {
        stops(signal, 128 + signal);
    }
    let _ = flag::register(SIGHUP, HUNG_UP.clone());
}

/// Whether a stop was asked for.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// The exit status of a program that a signal stopped.
pub fn status() -> u8 {
    let signal = SIGNAL.load(Ordering::SeqCst);
    u8::try_from(128 + signal).unwrap_or(INTERRUPTED as u8)
}

/// Whether the terminal has gone away. Nothing is written to it from then on.
pub fn hung_up() -> bool {
    HUNG_UP.load(Ordering::SeqCst)
}

/// Handlers run in the order in which they are registered: the one that leaves sees only earlier signals.
fn stops(signal: i32, status: i32) {
    let _ = flag::register_conditional_shutdown(signal, status, ASKED.clone());
    let _ = flag::register_usize(signal, SIGNAL.clone(), signal.unsigned_abs() as usize);
    let _ = flag::register(signal, ASKED.clone());
}
