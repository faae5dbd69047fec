//! Unicode placeholders: text that kitty replaces with parts of an uploaded picture.
//!
//! Each cell of a picture holds U+10EEEE. Three combining marks name the row, the column and the highest byte of the
//! picture's id; the foreground colour holds the other bytes. Placeholders move with the text, also through tmux. In the
//! buffer every cell carries all its marks, so that single cells can be redrawn. [`compress_placeholders`] removes those
//! that a terminal infers from the cell to the left.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

/// How many rows or columns a placeholder can name.
pub const MAX_CELLS: u16 = 297;

const PLACEHOLDER: char = '\u{10EEEE}';

/// Fills an area with the placeholders of a picture.
pub fn place(buffer: &mut Buffer, area: Rect, id: u32) {
    let style = Style::reset().fg(colour(id));
    for (row, y) in (area.top()..area.bottom()).enumerate() {
        for (column, x) in (area.left()..area.right()).enumerate() {
            let Some(symbol) = placeholder(id, row, column) else { continue };
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_symbol(&symbol).set_style(style);
            }
        }
    }
}

/// The same frame in fewer bytes: in a row of adjacent placeholders only the first keeps its marks, and the rest are one
/// repeated character (REP). Not for tmux, which redraws parts of rows on its own.
pub fn compress_placeholders(frame: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(frame) else { return frame.to_vec() };
    let mut compressed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PLACEHOLDER) {
        compressed.push_str(&rest[..at]);
        let (first, after) = split_cell(&rest[at..]);
        compressed.push_str(first);
        let (mut left, mut count) = (first, 0);
        rest = after;
        while rest.starts_with(PLACEHOLDER) {
            let (next, after) = split_cell(rest);
            if !is_right_neighbour(left, next) {
                break;
            }
            (left, rest, count) = (next, after, count + 1);
        }
        if count > 0 {
            compressed.push(PLACEHOLDER);
        }
        if count > 1 {
            compressed.push_str(&format!("\x1b[{}b", count - 1));
        }
    }
    compressed.push_str(rest);
    compressed.into_bytes()
}

/// A placeholder with its three marks, and the text after it.
fn split_cell(text: &str) -> (&str, &str) {
    let end = text.char_indices().nth(4).map_or(text.len(), |(at, _)| at);
    text.split_at(end)
}

/// Whether `right` names the cell to the right of `left` in the same picture.
fn is_right_neighbour(left: &str, right: &str) -> bool {
    let marks = |cell: &str| -> Option<[char; 3]> { cell.chars().skip(1).collect::<Vec<_>>().try_into().ok() };
    let (Some([row, column, high]), Some([right_row, right_column, right_high])) = (marks(left), marks(right)) else {
        return false;
    };
    let number = |wanted: char| (0..usize::from(MAX_CELLS)).find(|number| mark(*number) == Some(wanted));
    let is_next = number(column).zip(number(right_column)).is_some_and(|(column, next)| next == column + 1);
    row == right_row && high == right_high && is_next
}

/// The lower bytes of an id, as the foreground colour of its placeholders.
fn colour(id: u32) -> Color {
    let [_, red, green, blue] = id.to_be_bytes();
    if red == 0 && green == 0 { Color::Indexed(blue) } else { Color::Rgb(red, green, blue) }
}

fn placeholder(id: u32, row: usize, column: usize) -> Option<String> {
    let [high, ..] = id.to_be_bytes();
    Some([PLACEHOLDER, mark(row)?, mark(column)?, mark(usize::from(high))?].iter().collect())
}

/// The combining mark for a number below [`MAX_CELLS`].
fn mark(number: usize) -> Option<char> {
    let mut left = number as u32;
    for (first, last) in MARKS {
        if left <= last - first {
            return char::from_u32(first + left);
        }
        left -= last - first + 1;
    }
    None
}

/// The protocol's list of combining marks, `rowcolumn-diacritics.txt` in kitty's sources, as ranges.
#[rustfmt::skip]
const MARKS: [(u32, u32); 86] = [
    (0x305, 0x305), (0x30d, 0x30e), (0x310, 0x310), (0x312, 0x312), (0x33d, 0x33f), (0x346, 0x346), (0x34a, 0x34c),
    (0x350, 0x352), (0x357, 0x357), (0x35b, 0x35b), (0x363, 0x36f), (0x483, 0x487), (0x592, 0x595), (0x597, 0x599),
    (0x59c, 0x5a1), (0x5a8, 0x5a9), (0x5ab, 0x5ac), (0x5af, 0x5af), (0x5c4, 0x5c4), (0x610, 0x617), (0x657, 0x65b),
    (0x65d, 0x65e), (0x6d6, 0x6dc), (0x6df, 0x6e2), (0x6e4, 0x6e4), (0x6e7, 0x6e8), (0x6eb, 0x6ec), (0x730, 0x730),
    (0x732, 0x733), (0x735, 0x736), (0x73a, 0x73a), (0x73d, 0x73d), (0x73f, 0x741), (0x743, 0x743), (0x745, 0x745),
    (0x747, 0x747), (0x749, 0x74a), (0x7eb, 0x7f1), (0x7f3, 0x7f3), (0x816, 0x819), (0x81b, 0x823), (0x825, 0x827),
    (0x829, 0x82d), (0x951, 0x951), (0x953, 0x954), (0xf82, 0xf83), (0xf86, 0xf87), (0x135d, 0x135f),
    (0x17dd, 0x17dd), (0x193a, 0x193a), (0x1a17, 0x1a17), (0x1a75, 0x1a7c), (0x1b6b, 0x1b6b), (0x1b6d, 0x1b73),
    (0x1cd0, 0x1cd2), (0x1cda, 0x1cdb), (0x1ce0, 0x1ce0), (0x1dc0, 0x1dc1), (0x1dc3, 0x1dc9), (0x1dcb, 0x1dcc),
    (0x1dd1, 0x1de6), (0x1dfe, 0x1dfe), (0x20d0, 0x20d1), (0x20d4, 0x20d7), (0x20db, 0x20dc), (0x20e1, 0x20e1),
    (0x20e7, 0x20e7), (0x20e9, 0x20e9), (0x20f0, 0x20f0), (0x2cef, 0x2cf1), (0x2de0, 0x2dff), (0xa66f, 0xa66f),
    (0xa67c, 0xa67d), (0xa6f0, 0xa6f1), (0xa8e0, 0xa8f1), (0xaab0, 0xaab0), (0xaab2, 0xaab3), (0xaab7, 0xaab8),
    (0xaabe, 0xaabf), (0xaac1, 0xaac1), (0xfe20, 0xfe26), (0x10a0f, 0x10a0f), (0x10a38, 0x10a38), (0x1d185, 0x1d189),
    (0x1d1aa, 0x1d1ad), (0x1d242, 0x1d244),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_are_those_of_the_protocol() {
        assert_eq!((mark(0), mark(1), mark(2)), (Some('\u{305}'), Some('\u{30d}'), Some('\u{30e}')));
        assert_eq!((mark(255), mark(296), mark(297)), (Some('\u{a8e5}'), Some('\u{1d244}'), None));
        assert_eq!((0..1000).filter_map(mark).count(), usize::from(MAX_CELLS));
    }

    #[test]
    fn every_cell_names_its_row_column_and_id() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 4));
        place(&mut buffer, Rect::new(2, 1, 3, 2), 0x0211_2233);
        let cell = &buffer[(4, 2)];
        assert_eq!(cell.symbol(), "\u{10EEEE}\u{30d}\u{30e}\u{30e}");
        assert_eq!(cell.fg, Color::Rgb(0x11, 0x22, 0x33));
        // ratatui must not take the placeholder for a wide character.
        assert_eq!(ratatui::text::Line::raw(cell.symbol()).width(), 1);
        assert_eq!((buffer[(1, 1)].symbol(), buffer[(5, 1)].symbol(), buffer[(2, 3)].symbol()), (" ", " ", " "));
        place(&mut buffer, Rect::new(0, 0, 1, 1), 0x0200_0033);
        assert_eq!(buffer[(0, 0)].fg, Color::Indexed(0x33));
    }

    #[test]
    fn only_the_first_of_adjacent_placeholders_keeps_its_marks() {
        let cell = |row, column| placeholder(0x0211_2233, row, column).unwrap();
        let row =
            |row: usize, columns: std::ops::Range<usize>| columns.map(|column| cell(row, column)).collect::<String>();
        let compressed = |frame: &str| String::from_utf8(compress_placeholders(frame.as_bytes())).unwrap();
        assert_eq!(compressed(&row(3, 0..24)), format!("{}{PLACEHOLDER}\x1b[22b", cell(3, 0)));
        assert_eq!(compressed(&row(3, 0..2)), format!("{}{PLACEHOLDER}", cell(3, 0)));
        // Another row, a gap, other text or another picture starts over.
        let apart = format!("a{}{}\x1b[5;1H{}é{}", row(1, 4..5), row(2, 5..6), row(2, 7..8), row(2, 8..9));
        assert_eq!(compressed(&apart), apart);
        let other = placeholder(0x0311_2233, 1, 5).unwrap();
        assert_eq!(compressed(&format!("{}{other}", cell(1, 4))), format!("{}{other}", cell(1, 4)));
        let frame = format!("{}\x1b[0m{}x", row(0, 0..3), row(1, 0..297));
        assert_eq!(
            compressed(&frame),
            format!("{}{PLACEHOLDER}\x1b[1b\x1b[0m{}{PLACEHOLDER}\x1b[295bx", cell(0, 0), cell(1, 0))
        );
        assert_eq!(compress_placeholders(b"\xff\xf4"), b"\xff\xf4");
    }
}
