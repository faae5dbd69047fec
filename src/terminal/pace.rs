//! No more on its way than the terminal can be behind with. Through SSH a program gets a megabyte ahead of the link
//! before a write waits: seconds of keys that change nothing. So the terminal is asked for its name after every slice,
//! and its answer says that it has read so far. Every terminal that shows pictures answers this one; kitty's own
//! acknowledgements come once a picture, and only from kitty.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that may be unanswered: a fifth of a second on a link of 2 Mbit/s, more than such a link holds.
pub const WINDOW: usize = 48 * 1024;
/// After so many bytes the terminal is asked.
pub const SLICE: usize = 16 * 1024;

/// An answer that has not come by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a terminal that does not answer is supposed to read in a millisecond: 2 Mbit/s.
const BYTES_PER_MS: usize = 250;

#[derive(Debug)]
pub struct Pace {
    answers: bool,
    /// Slices on their way, and when they count as read at the latest.
    sent: VecDeque<(usize, Instant)>,
    /// Questions without an answer, whether it still matters or not.
    unanswered: usize,
}

impl Pace {
    pub fn new(answers: bool) -> Self {
        Self { answers, sent: VecDeque::new(), unanswered: 0 }
    }

    /// Whether there is a question to be asked after a slice.
    pub fn asks(&self) -> bool {
        self.answers
    }

    /// How many bytes may be sent now.
    pub fn room(&mut self, now: Instant) -> usize {
        while self.sent.front().is_some_and(|(_, until)| *until <= now) {
            self.sent.pop_front();
        }
        WINDOW.saturating_sub(self.sent.iter().map(|(bytes, _)| bytes).sum())
    }

    pub fn sent(&mut self, bytes: usize, now: Instant) {
        let until = if self.answers {
            self.unanswered += 1;
            now + PATIENCE
        } else {
            let last = self.sent.back().map_or(now, |(_, until)| *until).max(now);
            last + Duration::from_millis((bytes / BYTES_PER_MS) as u64)
        };
        self.sent.push_back((bytes, until));
    }

    /// A slice of so many bytes was not sent after all.
    pub fn take_back(&mut self, bytes: usize) {
        if let Some(at) = self.sent.iter().rposition(|(sent, _)| *sent == bytes) {
            self.sent.remove(at);
            self.unanswered = self.unanswered.saturating_sub(1);
        }
    }

    /// The terminal has read one slice more.
    pub fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.sent.pop_front();
    }

    /// Answers that are still on their way.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// How long until there is room even without an answer.
    pub fn wait(&mut self, now: Instant) -> Duration {
        if self.room(now) > 0 {
            return Duration::ZERO;
        }
        self.sent.front().map_or(Duration::ZERO, |(_, until)| until.saturating_duration_since(now))
    }

    /// What was sent is of no interest any more.
    pub fn forget(&mut self) {
        self.sent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_sent_than_fits_until_an_answer_comes() {
        let now = Instant::now();
        let mut pace = Pace::new(true);
        for left in [2, 1, 0] {
            pace.sent(SLICE, now);
            assert_eq!(pace.room(now), left * SLICE);
        }
        // An answer that stays away is not waited for for ever.
        assert_eq!(pace.wait(now), PATIENCE);
        pace.answered();
        assert_eq!((pace.room(now), pace.wait(now)), (SLICE, Duration::ZERO));
        assert_eq!(pace.room(now + PATIENCE), WINDOW);
        pace.forget();
        assert_eq!(pace.unanswered(), 2);
    }

    #[test]
    fn a_terminal_that_does_not_answer_is_given_its_time() {
        let now = Instant::now();
        let mut pace = Pace::new(false);
        pace.sent(WINDOW, now);
        pace.sent(25_000, now);
        assert_eq!(pace.room(now), 0);
        let first = pace.wait(now);
        assert_eq!(pace.room(now + first), WINDOW - 25_000);
        assert_eq!(pace.room(now + first + Duration::from_millis(100)), WINDOW);
    }
}
