//! Ctrl-C, SIGTERM and SIGHUP: stop at the next step, leaving nothing half-made.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the first signal asks for a stop; the second stops at once. Without a handler, where the system refuses
/// one, a signal ends the program as usual: pictures are written whole or not at all either way.
pub fn listen() {
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            process::exit(130);
        }
    });
}

/// Whether a stop was asked for.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
