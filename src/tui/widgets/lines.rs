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
