//! Repeats writes while another program has the database locked.

use crate::store;

/// How often a write is repeated. Each attempt already waits for the lock by itself.
const RETRIES: usize = 5;

/// Repeats `write` while the database is locked by another program.
pub(super) fn retry_while_busy<T>(mut write: impl FnMut() -> store::Result<T>) -> store::Result<T> {
    for _ in 0..RETRIES {
        match write() {
            Err(store::Error::Busy { .. }) => {}
            result => return result,
        }
    }
    write()
}
