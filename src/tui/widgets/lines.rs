//! Rows of wrapped text, and ages.

use jiff::{SignedDuration, Timestamp};
use unicode_width::UnicodeWidthStr;

use crate::studio::text::clean;
pub use crate::studio::text::{counted, fit};

/// The rows of a text wrapped between words; at least one.
pub fn rows_of(text: &str, width: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for word in clean(text).split_whitespace().map(UnicodeWidthStr::width) {
        let gap = usize::from(used > 0);
        if used + gap + word <= width {
            used += gap + word;
            continue;
        }
        // A word wider than a row is broken.
        rows += usize::from(used > 0) + word.saturating_sub(1) / width.max(1);
        used = word - word.saturating_sub(1) / width.max(1) * width;
    }
    rows
}

/// The time since `then`: `now`, `5 min`, `3 h`, `2 d`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = SignedDuration::as_secs(&now.duration_since(then));
    match seconds {
        ..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_wrapped() {
        for (text, width, rows) in
            [("", 5, 1), ("one two", 7, 1), ("one two", 6, 2), ("肖像 画", 4, 2), ("abcdefgh", 3, 3)]
        {
            assert_eq!(rows_of(text, width), rows, "{text:?} {width}");
        }
        assert_eq!(rows_of("a bcdefg h", 3), 4);
        assert!(rows_of("x", 0) >= 1);
    }
}
