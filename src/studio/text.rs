//! Text that came from outside, made harmless to show.

/// The text on one line, without what could steer a terminal or hide in it: control characters (C0, DEL, C1), marks
/// that turn the direction of writing, and characters without width. Line breaks and tabs become spaces.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            c if c.is_control() || is_invisible(c) => None,
            c => Some(c),
        })
        .collect()
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
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}2Jc\u{7f}"), "a[31mb2Jc");
        assert_eq!(clean("photo\u{202e}gnp.exe\u{200b}"), "photognp.exe");
        assert_eq!(clean("two\nlines\tand a tab"), "two lines and a tab");
        assert_eq!(clean("Ünïcödé 肖像 🙂"), "Ünïcödé 肖像 🙂");
    }
}
