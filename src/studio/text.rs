//! Text for one line of a terminal: made safe to print, measured, cut and wrapped.
//!
//! Widths are in columns. Text is cut between graphemes: what a reader sees as one character stays whole.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Removes what could control a terminal or hide in it: control characters (C0, DEL, C1), bidirectional marks, and
/// zero-width characters. Line breaks and tabs become spaces.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            c if is_unsafe(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Whether a character can control a terminal or hide in it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// The width of a text.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cleans the text and cuts it to a width, with an ellipsis if something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let (head, _) = text.split_at(prefix(&text, room));
    format!("{}…", head.trim_end())
}

/// Cleans the text and breaks it into lines: between words, or within a word that is longer than a line. Every line
/// starts with the indentation of the text. Empty text is one empty line; a grapheme wider than a line has its own.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let text = clean(text);
    if text.width() <= columns {
        return vec![text];
    }
    let indent = &text[..text.len() - text.trim_start().len()];
    let room = columns.saturating_sub(indent.width()).max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for mut word in text.split_whitespace() {
        if !line.is_empty() {
            if line.width() + 1 + word.width() <= room {
                line.push(' ');
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
        while word.width() > room {
            let first = word.graphemes(true).next().map_or(0, str::len);
            let (head, rest) = word.split_at(prefix(word, room).max(first));
            lines.push(head.to_owned());
            word = rest;
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines.into_iter().map(|line| format!("{indent}{line}")).collect()
}

/// The text, padded with spaces to a width.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// A count with its noun: `1 run`, `3 runs`.
pub fn counted<N: fmt::Display + From<u8> + PartialEq>(count: N, noun: &str) -> String {
    format!("{count} {noun}{}", if count == N::from(1) { "" } else { "s" })
}

/// The length in bytes of the longest prefix that fits.
fn prefix(text: &str, columns: usize) -> usize {
    let mut used = 0;
    let too_wide = |&(_, grapheme): &(usize, &str)| {
        used += grapheme.width();
        used > columns
    };
    text.grapheme_indices(true).find(too_wide).map_or(text.len(), |(at, _)| at)
}

/// Bidirectional marks, overrides and isolates; zero-width characters; tags.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}'
            | '\u{061c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}2Jc\u{7f}"), "a[31mb2Jc");
        assert_eq!(clean("photo\u{202e}gnp.exe\u{200b}"), "photognp.exe");
        assert_eq!(clean("two\nlines\tand a tab"), "two lines and a tab");
        assert_eq!(clean("Ünïcödé 肖像 🙂"), "Ünïcödé 肖像 🙂");
    }

    #[test]
    fn text_that_does_not_fit_ends_in_an_ellipsis() {
        assert_eq!(fit("a violinist", 11), "a violinist");
        assert_eq!(fit("a violinist", 10), "a violini…");
        assert_eq!(fit("a violinist", 3), "a…");
        assert_eq!(fit("肖像画", 5), "肖像…");
        assert_eq!(fit("肖像画", 4), "肖…");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(fit("a\u{1b}[31mb", 10), "a[31mb");
        assert_eq!((fit("abc", 1), fit("abc", 0)), ("…".to_owned(), String::new()));
        for columns in 0..8 {
            assert!(width(&fit("👩🏽‍🎨 paints 肖像", columns)) <= columns);
        }
    }

    #[test]
    fn text_is_wrapped_between_words_and_long_words_are_broken() {
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("soft window light", 11), ["soft window", "light"]);
        assert_eq!(wrap("  soft window light", 11), ["  soft", "  window", "  light"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("ab cdefgh", 4), ["ab", "cdef", "gh"]);
        assert_eq!(wrap("肖像画", 1), ["肖", "像", "画"]);
        for columns in 1..20 {
            let text = "one 肖像 three-and-four 🙂 five";
            let lines = wrap(text, columns);
            assert!(lines.iter().all(|line| width(line) <= columns.max(2)), "{columns}: {lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "seed")), ["0 seeds", "1 seed", "2 seeds"]);
    }
}
