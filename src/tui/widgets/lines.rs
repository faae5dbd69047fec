//! Text that comes from people and files, made safe and short enough for its place.

use jiff::{SignedDuration, Timestamp};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::studio::text::clean;

/// At most so many cells wide, with an ellipsis where something was left off. Whole characters only, control characters
/// gone.
pub fn fit(text: &str, width: usize) -> String {
    let text = clean(text);
    if text.width() <= width {
        return text;
    }
    let mut kept = String::new();
    let mut used = 0;
    for part in text.graphemes(true) {
        let wide = part.width();
        if used + wide + 1 > width {
            break;
        }
        kept.push_str(part);
        used += wide;
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// How many rows a text takes when it is wrapped between words; at least one.
pub fn rows_of(text: &str, width: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for word in clean(text).split_whitespace().map(UnicodeWidthStr::width) {
        let gap = usize::from(used > 0);
        if used + gap + word <= width {
            used += gap + word;
            continue;
        }
        // A word that is wider than a row is cut.
        rows += usize::from(used > 0) + word.saturating_sub(1) / width.max(1);
        used = word - word.saturating_sub(1) / width.max(1) * width;
    }
    rows
}

/// So many of something: `1 run`, `3 runs`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How long ago, in a word: `now`, `5 min`, `3 h`, `2 d`.
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
    fn rows_are_counted_as_they_are_wrapped() {
        for (text, width, rows) in
            [("", 5, 1), ("one two", 7, 1), ("one two", 6, 2), ("肖像 画", 4, 2), ("abcdefgh", 3, 3)]
        {
            assert_eq!(rows_of(text, width), rows, "{text:?} {width}");
        }
        assert_eq!(rows_of("a bcdefg h", 3), 4);
        assert!(rows_of("x", 0) >= 1);
    }

    #[test]
    fn text_fits_its_place_in_cells() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("肖像画", 5), "肖像…");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(fit("a\u{1b}[31mb", 10), clean("a\u{1b}[31mb"));
        assert_eq!(fit("abc", 0), "");
        for width in 0..8 {
            assert!(fit("👩🏽‍🎨 paints 肖像", width).width() <= width);
        }
    }
}
