//! kitty's graphics protocol: pictures are uploaded once under a number, and text stands for them.
//!
//! A picture's place is filled with U+10EEEE, whose combining marks say row and column and whose colour says which
//! picture. Where the text goes the picture goes, through tmux too. In the buffer every cell carries all its
//! marks, so that single cells can be redrawn; on the way out what a terminal takes from the cell to the left is left
//! off.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Style};

use super::tmux;

/// Rows and columns that a placeholder can name.
pub const MOST_CELLS: u16 = 297;

/// As much base64 as one escape sequence may hold.
const CHUNK: usize = 4096;
const PLACEHOLDER: char = '\u{10EEEE}';

/// Ids of pictures that the terminal keeps for this process, and whether they went through tmux. They are deleted when
/// the screen is left, however it is left; therefore they are known in one place.
static KEPT: Mutex<BTreeMap<u32, bool>> = Mutex::new(BTreeMap::new());

/// The escape sequences that upload a PNG and make a place of so many cells for it, to be sent in order. Other text
/// may go between them, but no other graphics. Only failures are answered; through tmux, which would give the answer to
/// whatever pane is in front, nothing is.
pub fn upload(id: u32, cells: Size, png: &[u8], through_tmux: bool) -> Vec<Vec<u8>> {
    kept().insert(id, through_tmux);
    let text = STANDARD.encode(png);
    let count = text.len().div_ceil(CHUNK);
    let chunks = text.as_bytes().chunks(CHUNK).enumerate();
    chunks
        .map(|(number, chunk)| {
            let (more, quiet) = (u8::from(number + 1 < count), 1 + u8::from(through_tmux));
            let keys = match number {
                0 => format!("a=T,U=1,f=100,t=d,i={id},c={},r={},q={quiet},m={more}", cells.width, cells.height),
                _ => format!("q={quiet},m={more}"),
            };
            sequence(&[keys.as_bytes(), b";", chunk].concat(), through_tmux)
        })
        .collect()
}

/// Deletes a picture, its data and all its places.
pub fn delete(id: u32, through_tmux: bool) -> Vec<u8> {
    kept().remove(&id);
    sequence(format!("a=d,d=I,i={id},q=2").as_bytes(), through_tmux)
}

/// Deletes all pictures of this process.
pub fn farewell() -> Vec<u8> {
    // Whoever panics while holding this is not waited for.
    let kept = KEPT.try_lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
    kept.into_iter()
        .flat_map(|(id, through_tmux)| sequence(format!("a=d,d=I,i={id},q=2").as_bytes(), through_tmux))
        .collect()
}

/// Fills a picture's place with its placeholders.
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

/// The same page in fewer bytes: of placeholders side by side only the first keeps its marks, and the rest are one that
/// is repeated (REP). Not for tmux, which writes parts of rows as it likes.
pub fn squeezed(page: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(page) else { return page.to_vec() };
    let mut squeezed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PLACEHOLDER) {
        squeezed.push_str(&rest[..at]);
        let (first, after) = cell(&rest[at..]);
        squeezed.push_str(first);
        let (mut left, mut count) = (first, 0);
        rest = after;
        while rest.starts_with(PLACEHOLDER) {
            let (next, after) = cell(rest);
            if !follows(left, next) {
                break;
            }
            (left, rest, count) = (next, after, count + 1);
        }
        if count > 0 {
            squeezed.push(PLACEHOLDER);
        }
        if count > 1 {
            squeezed.push_str(&format!("\x1b[{}b", count - 1));
        }
    }
    squeezed.push_str(rest);
    squeezed.into_bytes()
}

/// A placeholder with its marks, and what comes after.
fn cell(text: &str) -> (&str, &str) {
    let end = text.char_indices().nth(4).map_or(text.len(), |(at, _)| at);
    text.split_at(end)
}

/// Whether a cell names the place to the right of another.
fn follows(left: &str, right: &str) -> bool {
    let marks = |cell: &str| -> Option<[char; 3]> { cell.chars().skip(1).collect::<Vec<_>>().try_into().ok() };
    let (Some([row, column, high]), Some([same_row, next, same_high])) = (marks(left), marks(right)) else {
        return false;
    };
    let place = |wanted: char| (0..usize::from(MOST_CELLS)).find(|number| mark(*number) == Some(wanted));
    let is_next = place(column).zip(place(next)).is_some_and(|(column, next)| next == column + 1);
    row == same_row && high == same_high && is_next
}

/// The numbers of this process's pictures. Processes share a terminal where tmux is in between, so that each begins
/// somewhere else.
pub struct Ids {
    /// The upper bytes of every id.
    prefix: u32,
    next: u32,
    first: u32,
    last: u32,
}

impl Ids {
    /// With 16 million colours an id has four bytes: one is a mark, three are a colour. With fewer the colour is an
    /// index, and one byte.
    pub fn new(many_colours: bool) -> Self {
        use std::hash::{BuildHasher, Hasher};
        let random = std::hash::RandomState::new().build_hasher().finish() as u32;
        // No byte of it is zero: an id with nothing above its lowest byte is an index.
        let high = (random >> 8 | 1) & 0xff;
        let second = (random >> 16 | 1) & 0xff;
        let (prefix, first, last) =
            if many_colours { (high << 24 | second << 16, 1, 0xffff) } else { (high << 24, 16, 0xff) };
        Self { prefix, next: first, first, last }
    }

    /// A number that no kept picture has.
    pub fn fresh(&mut self) -> u32 {
        loop {
            let id = self.prefix | self.next;
            self.next = if self.next == self.last { self.first } else { self.next + 1 };
            let kept = kept();
            if !kept.contains_key(&id) || kept.len() > (self.last - self.first) as usize {
                return id;
            }
        }
    }
}

/// The list is whole at any time, also if a thread died while holding it.
fn kept() -> MutexGuard<'static, BTreeMap<u32, bool>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lower bytes of an id, as the foreground of its placeholders.
fn colour(id: u32) -> Color {
    let [_, red, green, blue] = id.to_be_bytes();
    if red == 0 && green == 0 { Color::Indexed(blue) } else { Color::Rgb(red, green, blue) }
}

fn placeholder(id: u32, row: usize, column: usize) -> Option<String> {
    let [high, ..] = id.to_be_bytes();
    Some([PLACEHOLDER, mark(row)?, mark(column)?, mark(usize::from(high))?].iter().collect())
}

fn sequence(body: &[u8], through_tmux: bool) -> Vec<u8> {
    let sequence = [b"\x1b_G", body, b"\x1b\\"].concat();
    if through_tmux { tmux::wrap(&sequence) } else { sequence }
}

/// The combining mark that stands for a number.
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

/// The protocol's list of marks (rowcolumn-diacritics.txt), as ranges.
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
        assert_eq!((0..1000).filter_map(mark).count(), usize::from(MOST_CELLS));
    }

    #[test]
    fn every_cell_carries_row_column_and_the_ids_high_byte() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 4));
        place(&mut buffer, Rect::new(2, 1, 3, 2), 0x0211_2233);
        let cell = &buffer[(4, 2)];
        assert_eq!(cell.symbol(), "\u{10EEEE}\u{30d}\u{30e}\u{30e}");
        assert_eq!(cell.fg, Color::Rgb(0x11, 0x22, 0x33));
        // For the screen it is as wide as any other letter.
        assert_eq!(ratatui::text::Line::raw(cell.symbol()).width(), 1);
        assert_eq!((buffer[(1, 1)].symbol(), buffer[(5, 1)].symbol(), buffer[(2, 3)].symbol()), (" ", " ", " "));
        place(&mut buffer, Rect::new(0, 0, 1, 1), 0x0200_0033);
        assert_eq!(buffer[(0, 0)].fg, Color::Indexed(0x33));
    }

    #[test]
    fn of_cells_side_by_side_only_the_first_keeps_its_marks() {
        let cell = |row, column| placeholder(0x0211_2233, row, column).unwrap();
        let row =
            |row: usize, columns: std::ops::Range<usize>| columns.map(|column| cell(row, column)).collect::<String>();
        let squeezed = |page: &str| String::from_utf8(squeezed(page.as_bytes())).unwrap();
        assert_eq!(squeezed(&row(3, 0..24)), format!("{}{PLACEHOLDER}\x1b[22b", cell(3, 0)));
        assert_eq!(squeezed(&row(3, 0..2)), format!("{}{PLACEHOLDER}", cell(3, 0)));
        // Another row, a gap, text, a colour or another picture between them begins anew.
        let apart = format!("a{}{}\x1b[5;1H{}é{}", row(1, 4..5), row(2, 5..6), row(2, 7..8), row(2, 8..9));
        assert_eq!(squeezed(&apart), apart);
        let other = placeholder(0x0311_2233, 1, 5).unwrap();
        assert_eq!(squeezed(&format!("{}{other}", cell(1, 4))), format!("{}{other}", cell(1, 4)));
        let page = format!("{}\x1b[0m{}x", row(0, 0..3), row(1, 0..297));
        assert_eq!(
            squeezed(&page),
            format!("{}{PLACEHOLDER}\x1b[1b\x1b[0m{}{PLACEHOLDER}\x1b[295bx", cell(0, 0), cell(1, 0))
        );
        assert_eq!(super::squeezed(b"\xff\xf4"), b"\xff\xf4");
    }

    #[test]
    fn a_picture_travels_in_chunks_that_end() {
        let png: Vec<u8> = (0..7000u32).map(|n| (n * 7 % 251) as u8).collect();
        let parts = upload(0x7fff_0001, Size::new(24, 11), &png, false);
        let texts: Vec<String> = parts.iter().map(|part| String::from_utf8(part.clone()).unwrap()).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[0].starts_with("\x1b_Ga=T,U=1,f=100,t=d,i=2147418113,c=24,r=11,q=1,m=1;"), "{}", &texts[0][..60]);
        assert!(texts[1].starts_with("\x1b_Gq=1,m=1;") && texts[2].starts_with("\x1b_Gq=1,m=0;"));
        let payload: String = texts
            .iter()
            .map(|text| text.strip_suffix("\x1b\\").unwrap().split_once(';').unwrap().1)
            .inspect(|payload| assert!(payload.len() <= CHUNK && payload.len() % 4 == 0))
            .collect();
        assert_eq!(STANDARD.decode(payload).unwrap(), png);
        let wrapped = upload(0x7fff_0001, Size::new(24, 11), &png, true);
        assert!(
            wrapped.iter().all(|part| part.starts_with(b"\x1bPtmux;\x1b\x1b_G") && part.ends_with(b"\x1b\x1b\\\x1b\\"))
        );
        assert!(farewell_names(0x7fff_0001));
    }

    #[test]
    fn one_chunk_is_the_last() {
        let parts = upload(0x7fff_0002, Size::new(2, 1), b"tiny", false);
        assert_eq!(parts, [b"\x1b_Ga=T,U=1,f=100,t=d,i=2147418114,c=2,r=1,q=1,m=0;dGlueQ==\x1b\\".to_vec()]);
        assert_eq!(delete(0x7fff_0002, false), b"\x1b_Ga=d,d=I,i=2147418114,q=2\x1b\\");
        assert!(!farewell_names(0x7fff_0002));
    }

    #[test]
    fn numbers_do_not_come_twice_while_they_are_in_use() {
        for (many, shape) in [(true, 0x0001_0000), (false, 0)] {
            let mut ids = Ids::new(many);
            let first = ids.fresh();
            assert!(first >> 24 != 0 && (first & 0x00ff_0000 != 0) == (shape != 0), "{first:x}");
            kept().insert(first, false);
            let others: Vec<u32> = (0..if many { 100_000 } else { 1000 }).map(|_| ids.fresh()).collect();
            assert!(!others.contains(&first));
            assert!(others.iter().all(|id| id >> 24 == first >> 24 && *id & 0xff_ffff >= 16 || many));
            kept().remove(&first);
        }
    }

    /// Whether the picture is among those that would be deleted at the end; the list stays as it is, because other
    /// tests use it.
    fn farewell_names(id: u32) -> bool {
        kept().contains_key(&id)
    }
}
