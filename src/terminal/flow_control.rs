//! Limits how many bytes are sent ahead of the terminal.
//!
//! Over SSH, a program can write a megabyte before a write blocks; on a slow link, keys then show no effect for seconds.
//! So the terminal is asked for its name after every slice, and its reply proves that it has read the slice. All terminals
//! that show pictures answer this query. kitty's own acknowledgements come only once a picture, and only from kitty.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most bytes that may be unacknowledged: a fifth of a second at 2 Mbit/s, more than such a link buffers.
pub const WINDOW: usize = 48 * 1024;
/// The terminal is asked for an acknowledgement after this many bytes.
pub const SLICE: usize = 16 * 1024;

/// A slice without an acknowledgement counts as read after this time.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(3);
/// The assumed speed of a terminal that does not acknowledge: 2 Mbit/s.
const BYTES_PER_MS: usize = 250;

#[derive(Debug)]
pub struct FlowControl {
    /// Whether the terminal answers the name query.
    acknowledges: bool,
    /// The sizes of unacknowledged slices, and when each counts as read at the latest.
    in_flight: VecDeque<(usize, Instant)>,
    /// Name queries without a reply, including those of slices that no longer count.
    pending_replies: usize,
}

impl FlowControl {
    pub fn new(acknowledges: bool) -> Self {
        Self { acknowledges, in_flight: VecDeque::new(), pending_replies: 0 }
    }

    /// How many bytes may be sent now.
    pub fn available(&mut self, now: Instant) -> usize {
        while self.in_flight.front().is_some_and(|(_, until)| *until <= now) {
            self.in_flight.pop_front();
        }
        WINDOW.saturating_sub(self.in_flight.iter().map(|(bytes, _)| bytes).sum())
    }

    /// Records that a slice is sent, followed by a name query if the terminal answers it.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        let until = if self.acknowledges {
            self.pending_replies += 1;
            now + ACKNOWLEDGEMENT_TIMEOUT
        } else {
            let last = self.in_flight.back().map_or(now, |(_, until)| *until).max(now);
            last + Duration::from_millis((bytes / BYTES_PER_MS) as u64)
        };
        self.in_flight.push_back((bytes, until));
    }

    /// Removes the last slice of this size, which was not sent after all.
    pub fn cancel(&mut self, bytes: usize) {
        if let Some(at) = self.in_flight.iter().rposition(|(sent, _)| *sent == bytes) {
            self.in_flight.remove(at);
            self.pending_replies = self.pending_replies.saturating_sub(1);
        }
    }

    /// Records that the terminal has read one more slice.
    pub fn acknowledged(&mut self) {
        self.pending_replies = self.pending_replies.saturating_sub(1);
        self.in_flight.pop_front();
    }

    /// How many replies are still to come.
    pub fn pending_replies(&self) -> usize {
        self.pending_replies
    }

    /// How long until something may be sent even without a reply.
    pub fn time_until_available(&mut self, now: Instant) -> Duration {
        if self.available(now) > 0 {
            return Duration::ZERO;
        }
        self.in_flight.front().map_or(Duration::ZERO, |(_, until)| until.saturating_duration_since(now))
    }

    /// Stops waiting for what was sent: the terminal may have lost it.
    pub fn reset(&mut self) {
        self.in_flight.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_fills_until_a_reply_arrives() {
        let now = Instant::now();
        let mut flow = FlowControl::new(true);
        for left in [2, 1, 0] {
            flow.sent(SLICE, now);
            assert_eq!(flow.available(now), left * SLICE);
        }
        // A missing reply blocks only until the timeout.
        assert_eq!(flow.time_until_available(now), ACKNOWLEDGEMENT_TIMEOUT);
        flow.acknowledged();
        assert_eq!((flow.available(now), flow.time_until_available(now)), (SLICE, Duration::ZERO));
        assert_eq!(flow.available(now + ACKNOWLEDGEMENT_TIMEOUT), WINDOW);
        flow.reset();
        assert_eq!(flow.pending_replies(), 2);
    }

    #[test]
    fn a_terminal_without_replies_is_given_time_to_read() {
        let now = Instant::now();
        let mut flow = FlowControl::new(false);
        flow.sent(WINDOW, now);
        flow.sent(25_000, now);
        assert_eq!(flow.available(now), 0);
        let first = flow.time_until_available(now);
        assert_eq!(flow.available(now + first), WINDOW - 25_000);
        assert_eq!(flow.available(now + first + Duration::from_millis(100)), WINDOW);
    }
}
