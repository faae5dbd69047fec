//! Words fitted into the columns of a line.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthChar;

/// Columns of a line where no terminal says otherwise.
const USUAL: usize = 80;
/// No column of a table gets narrower than this for another's sake.
const LEAST: usize = 8;

/// How many columns a line has on stdout.
pub fn columns() -> usize {
    if std::io::stdout().is_terminal() { usize::from(viuer::terminal_size().0).clamp(40, 240) } else { USUAL }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// The text, or as much of its beginning as leaves room for a mark that something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (head, _) = text.split_at(fitting(text, columns.saturating_sub(1)));
    format!("{}…", head.trim_end())
}

/// The text in lines, broken between words, and within a word that is longer than a line. Spaces at its beginning
/// begin every line. At least one line, even of nothing.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    if width(text) <= columns {
        return vec![text.to_owned()];
    }
    let indent = &text[..text.len() - text.trim_start().len()];
    let room = columns.saturating_sub(width(indent)).max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for mut word in text.split_whitespace() {
        if !line.is_empty() {
            if width(&line) + 1 + width(word) <= room {
                line.push(' ');
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
        while width(word) > room {
            // At least one character a line, whatever its width.
            let first = word.chars().next().map_or(0, char::len_utf8);
            let (head, rest) = word.split_at(fitting(word, room).max(first));
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

/// The text with spaces behind it, up to a width.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// What the columns of a table get of the room there is: what they would like, or, for the widest, less.
pub fn shares(wishes: &[usize], room: usize) -> Vec<usize> {
    let widest = wishes.iter().copied().max().unwrap_or(0);
    let shares = |most: usize| wishes.iter().map(move |wish| *wish.min(&most));
    let most = (LEAST..=widest.min(room)).rev().find(|&most| shares(most).sum::<usize>() <= room);
    shares(most.unwrap_or(LEAST)).collect()
}

/// How many bytes of a text's beginning fit.
fn fitting(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    let too_much = |&(_, c): &(usize, char)| {
        taken += width_of(c);
        taken > columns
    };
    text.char_indices().find(too_much).map_or(text.len(), |(place, _)| place)
}

fn width_of(c: char) -> usize {
    // The mark that makes the character before it a picture may make it one wider.
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        assert_eq!(cut("a violinist", 11), "a violinist");
        assert_eq!(cut("a violinist", 10), "a violini…");
        assert_eq!(cut("a violinist", 3), "a…");
        assert_eq!(cut("肖像画", 5), "肖像…");
        assert_eq!(cut("肖像画", 4), "肖…");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
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
    fn the_widest_column_gives_way() {
        assert_eq!(shares(&[8, 10, 90], 40), [8, 10, 22]);
        assert_eq!(shares(&[8, 90, 90], 40), [8, 16, 16]);
        assert_eq!(shares(&[3, 4], 40), [3, 4]);
        assert_eq!(shares(&[50, 50, 50], 10), [LEAST; 3]);
    }
}
