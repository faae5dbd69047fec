//! The screen's loop, with a terminal that is a list of bytes.

use std::sync::mpsc::{Receiver, channel};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::pace::WINDOW;
use super::super::verdict::{Hints, Wish, judge};
use super::*;
use crate::terminal::probe::Replies;

const AREA: Size = Size::new(12, 6);

/// A screen of twelve places for pictures, four in a row.
struct Screen {
    pictures: Pictures<u32>,
    terminal: Terminal<TestBackend>,
    woken: Receiver<()>,
    now: Instant,
    keys: Vec<u32>,
}

impl Screen {
    fn new(protocol: Protocol) -> Self {
        Self::of(protocol, "kitty(0.41.1)")
    }

    fn of(protocol: Protocol, name: &str) -> Self {
        let hints = Hints { is_terminal: true, term: "x".into(), colorterm: "truecolor".into(), ..Hints::default() };
        let replies = Replies { name: Some(name.into()), cell: Some((8, 16)), ..Replies::default() };
        let verdict = judge(&replies, &hints, Wish::Only(protocol));
        // Bytes that no codec makes smaller, so that there is something to wait for.
        let bytes: Encode = |picture| Some(picture.as_raw()[..12_000].to_vec());
        let text: Encode = |_| Some(format!("\x1bPq{}\x1b\\", "x".repeat(12_000)).into_bytes());
        let (wake, woken) = channel();
        let codecs = Codecs { png: bytes, jpeg: bytes, sixel: text };
        let pictures = Pictures::new(&verdict, codecs, move || wake.send(()).unwrap_or_default());
        let terminal = Terminal::new(TestBackend::new(60, 24)).unwrap();
        Self { pictures, terminal, woken, now: Instant::now(), keys: Vec::new() }
    }

    fn page(&mut self, keys: impl Iterator<Item = u32>) {
        self.keys = keys.collect();
        for &key in &self.keys {
            let picture = RgbImage::from_fn(96, 96, |x, y| image::Rgb([(x * 2) as u8, (y * 2) as u8, key as u8]));
            self.pictures.request(key, Arc::new(picture), AREA);
        }
    }

    fn place(number: usize) -> Rect {
        Rect::new((number % 4) as u16 * 13, (number / 4) as u16 * 7, AREA.width, AREA.height)
    }

    /// One turn of the loop: what was written before the frame.
    fn turn(&mut self) -> Vec<u8> {
        self.turn_and_clear().bytes
    }

    fn turn_and_clear(&mut self) -> Before {
        let before = self.pictures.tick(self.now);
        let (pictures, keys) = (&mut self.pictures, &self.keys);
        self.terminal
            .draw(|frame| {
                for (number, key) in keys.iter().enumerate() {
                    pictures.draw(frame, Self::place(number), key);
                }
            })
            .unwrap();
        before
    }

    /// Turns until everything that is seen is encoded, and then a few times without an answer from the terminal.
    fn settle(&mut self) -> Vec<u8> {
        // As if something large were on its way, so that nothing depends on which picture was quickest.
        self.pictures.pace.sent(2 * WINDOW, self.now);
        let mut bytes = self.turn();
        let seen = |screen: &Self| {
            screen.keys.iter().all(|key| {
                let entry = &screen.pictures.entries[&(*key, AREA)];
                entry.coarse.is_some() && !matches!(entry.sharp, Sharp::Encoding | Sharp::Missing)
            })
        };
        while !seen(self) {
            self.woken.recv_timeout(Duration::from_secs(20)).expect("the encoder works");
            bytes.extend(self.turn());
        }
        self.pictures.pace.forget();
        for _ in 0..3 {
            bytes.extend(self.turn());
        }
        bytes
    }

    /// Answers until nothing more comes.
    fn answer_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..200 {
            self.pictures.answered(&Answer::Name);
            bytes.extend(self.turn());
        }
        bytes
    }

    /// Whether the picture at this place is sharp, in half-blocks, or not there.
    fn looks(&self, number: usize) -> &'static str {
        let place = Self::place(number);
        let cell = &self.terminal.backend().buffer()[(place.x + place.width / 2 - 6, place.y)];
        match cell.symbol() {
            text if text.starts_with('\u{10EEEE}') || text.contains("\x1bPq") || text.contains("1337") => "sharp",
            _ if cell.bg != ratatui::style::Color::Reset => "coarse",
            _ => "nothing",
        }
    }

    fn sharp(&self) -> usize {
        (0..self.keys.len()).filter(|&number| self.looks(number) == "sharp").count()
    }
}

fn count(bytes: &[u8], what: &str) -> usize {
    String::from_utf8_lossy(bytes).matches(what).count()
}

#[test]
fn a_picture_is_coarse_until_its_last_part_was_sent() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..12);
    let first = screen.settle();
    // Three pictures of 16 kB fit in what may be on its way; the fourth has begun.
    assert_eq!((screen.sharp(), screen.looks(0), screen.looks(11)), (3, "sharp", "coarse"));
    assert_eq!((count(&first, "a=T"), count(&first, "m=0;")), (4, 3));
    screen.answer_all();
    assert_eq!(screen.sharp(), 12);
}

#[test]
fn no_more_is_written_than_the_terminal_may_be_behind() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..12);
    let first = screen.settle();
    assert!((WINDOW..WINDOW + 2 * SLICE).contains(&first.len()), "{}", first.len());
    assert_eq!(count(&first, "\x1b[>q"), 3);
    assert_eq!(screen.turn(), b"");
    assert!(screen.pictures.wait(screen.now).is_some());
    screen.pictures.answered(&Answer::Name);
    let second = screen.turn();
    assert!((SLICE / 2..2 * SLICE).contains(&second.len()), "{}", second.len());
    // A terminal that stays silent is not waited for for ever.
    screen.now += Duration::from_secs(10);
    assert!(screen.turn().len() > SLICE);
    screen.answer_all();
    assert_eq!(screen.pictures.wait(screen.now), None);
}

#[test]
fn pictures_that_nobody_sees_any_more_are_not_uploaded() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..12);
    let first = screen.settle();
    assert_eq!((count(&first, "a=T"), count(&first, "m=0;")), (4, 3));
    screen.page(100..104);
    let second = [screen.settle(), screen.answer_all()].concat();
    // The rest of the one that had begun, and four others.
    assert_eq!((count(&second, "a=T"), count(&second, "m=0;")), (4, 5));
    assert_eq!(screen.sharp(), 4);
    // Those that had arrived are there still.
    screen.page(0..4);
    assert_eq!(count(&screen.turn(), "a=T"), 0);
    assert_eq!(screen.sharp(), 4);
}

#[test]
fn after_a_reattachment_everything_travels_again_under_its_number() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..3);
    let first = [screen.settle(), screen.answer_all()].concat();
    let ids = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let ids =
            text.split("a=T").skip(1).filter_map(|part| Some(part.split_once(",i=")?.1.split_once(',')?.0.to_owned()));
        ids.collect::<Vec<String>>()
    };
    assert_eq!(ids(&first).len(), 3);
    screen.pictures.invalidate_all();
    let second = [screen.turn(), screen.answer_all()].concat();
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(screen.sharp(), 3);
}

#[test]
fn a_picture_that_the_terminal_keeps_refusing_stays_coarse() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..2);
    screen.settle();
    let mut refuse = |uploads: usize| {
        let id = screen.pictures.entries[&(1, AREA)].id.unwrap();
        screen.pictures.answered(&Answer::Graphics { id, error: Some("EILSEQ:cut".into()) });
        let bytes = [screen.turn(), screen.answer_all()].concat();
        assert_eq!(count(&bytes, "a=T"), uploads);
    };
    refuse(1);
    refuse(1);
    refuse(0);
    assert_eq!((screen.looks(0), screen.looks(1)), ("sharp", "coarse"));
}

#[test]
fn a_screen_is_cleared_between_pictures_only() {
    type Cause = fn(&mut Pictures<u32>);
    let causes: [(Cause, usize); 2] = [
        (|pictures| pictures.hide(Rect::new(0, 0, 10, 5)), 12),
        // What was half there may have gone to another terminal, and travels again.
        (|pictures| pictures.invalidate_all(), 13),
    ];
    for (cause, travels) in causes {
        let mut screen = Screen::new(Protocol::Kitty);
        screen.page(0..12);
        let first = screen.settle();
        assert!(screen.pictures.uploading.is_some(), "nothing is half there");
        let whole = screen.pictures.entries.values().filter(|entry| entry.is_shown()).count();
        cause(&mut screen.pictures);
        let clearing = screen.turn();
        assert!(screen.pictures.uploading.is_none(), "a picture is half there while the screen is cleared");
        assert_eq!(count(&clearing, "a=T"), 0, "a picture begins before the screen is cleared");
        assert_eq!(count(&clearing, "m=0"), 1);
        let rest = screen.answer_all();
        assert_eq!(screen.sharp(), 12);
        let again = if travels == 12 { 0 } else { whole };
        assert_eq!(count(&[first, rest].concat(), "a=T"), travels + again);
    }
}

#[test]
fn another_font_makes_pictures_anew_where_they_are_made_for_it() {
    for (protocol, remade) in [(Protocol::Sixel, true), (Protocol::Kitty, false)] {
        let mut screen = Screen::new(protocol);
        screen.page(0..3);
        screen.settle();
        screen.answer_all();
        screen.pictures.set_cell(Cell { width: 8, height: 16 });
        assert!(screen.pictures.knows(&0, AREA), "the same font");
        screen.pictures.set_cell(Cell { width: 10, height: 20 });
        assert_eq!(screen.pictures.knows(&0, AREA), !remade);
    }
}

#[test]
fn the_pictures_seen_longest_ago_are_deleted_when_there_are_too_many() {
    let mut screen = Screen::new(Protocol::Kitty);
    let mut deleted = 0;
    for page in 0..19 {
        screen.page(page * 12..page * 12 + 12);
        let bytes = [screen.settle(), screen.answer_all()].concat();
        deleted += count(&bytes, "a=d,d=I");
        assert_eq!(screen.sharp(), 12);
        assert!(screen.pictures.entries.values().filter(|entry| entry.id.is_some()).count() <= MOST_KEPT_THERE);
    }
    assert_eq!(deleted, 19 * 12 - MOST_KEPT_THERE);
    assert!(screen.pictures.entries[&(0, AREA)].id.is_none());
    assert!(screen.pictures.entries[&(18 * 12, AREA)].id.is_some());
}

#[test]
fn pictures_in_the_text_come_a_few_at_a_time_and_come_back_so() {
    for protocol in [Protocol::Sixel, Protocol::Iterm2] {
        let mut screen = Screen::new(protocol);
        screen.page(0..12);
        assert_eq!(screen.settle(), b"");
        let at_once = screen.sharp();
        assert!((3..=5).contains(&at_once), "{at_once}");
        let symbol = screen.terminal.backend().buffer()[(0, 0)].symbol().to_owned();
        assert!(symbol.ends_with("\x1b8\x1b[>q") && symbol.starts_with("\x1b7\x1b[12X"), "{:?}", &symbol[..40]);
        screen.answer_all();
        assert_eq!(screen.sharp(), 12);
        screen.pictures.invalidate_all();
        screen.turn();
        assert!(screen.sharp() <= 5);
        screen.answer_all();
        // Another page and back: nothing is encoded any more that would wake the screen.
        let first: Vec<u32> = screen.keys.clone();
        screen.page(12..15);
        screen.settle();
        screen.answer_all();
        screen.page(first.into_iter());
        screen.turn();
        assert_eq!((screen.sharp(), screen.pictures.wait(screen.now)), (0, Some(Duration::ZERO)));
        screen.turn();
        assert!((3..=5).contains(&screen.sharp()));
        screen.answer_all();
        assert_eq!(screen.sharp(), 12);
    }
}

#[test]
fn pictures_that_came_too_late_for_their_page_do_not_hold_up_the_next() {
    let mut screen = Screen::new(Protocol::Sixel);
    screen.page(0..12);
    screen.settle();
    screen.answer_all();
    screen.pictures.hide(Rect::new(0, 0, 60, 24));
    screen.turn();
    // The popup goes, and its page with it.
    screen.pictures.show();
    screen.page(12..15);
    for _ in 0..100 {
        screen.turn();
        let _ = screen.woken.recv_timeout(Duration::from_millis(20));
        if screen.sharp() == 3 {
            return;
        }
    }
    panic!("{} of 3 are sharp", screen.sharp());
}

#[test]
fn under_a_popup_pictures_in_the_text_are_coarse() {
    let mut screen = Screen::new(Protocol::Sixel);
    screen.page(0..12);
    screen.settle();
    screen.answer_all();
    screen.pictures.hide(Rect::new(20, 4, 10, 6));
    screen.answer_all();
    let coarse: Vec<usize> = (0..12).filter(|&number| screen.looks(number) == "coarse").collect();
    assert_eq!(coarse, [1, 2, 5, 6]);
    screen.pictures.show();
    screen.answer_all();
    assert_eq!(screen.sharp(), 12);

    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..4);
    screen.settle();
    screen.answer_all();
    screen.pictures.hide(Rect::new(20, 4, 10, 6));
    screen.turn();
    assert_eq!(screen.sharp(), 4);
}

#[test]
fn where_pictures_stay_under_the_text_the_screen_is_cleared_of_them() {
    for (name, clears) in [("Konsole 25.04.2", true), ("WezTerm 20240203", false)] {
        let mut screen = Screen::of(Protocol::Iterm2, name);
        screen.page(0..12);
        screen.settle();
        screen.answer_all();
        assert_eq!(screen.pictures.wait(screen.now), None);
        screen.pictures.hide(Rect::new(20, 4, 10, 6));
        assert!(!screen.turn_and_clear().anew);
        assert_eq!(screen.pictures.wait(screen.now), clears.then_some(Duration::ZERO));
        assert_eq!(screen.turn_and_clear().anew, clears);
        assert!(!screen.turn_and_clear().anew);
        screen.pictures.show();
        screen.answer_all();
        // Something else instead of the pictures.
        screen.page(0..0);
        assert!(!screen.turn_and_clear().anew);
        assert_eq!(screen.pictures.wait(screen.now), clears.then_some(Duration::ZERO));
        assert_eq!(screen.turn_and_clear().anew, clears);
        assert_eq!(screen.pictures.wait(screen.now), None);
    }
}

#[test]
fn without_a_way_to_be_sharp_pictures_are_coarse_or_off() {
    let mut screen = Screen::new(Protocol::HalfBlocks);
    screen.page(0..2);
    screen.turn();
    while screen.looks(1) != "coarse" {
        screen.woken.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(screen.turn(), b"");
    }
    let mut screen = Screen::new(Protocol::Off);
    screen.page(0..2);
    assert!(!screen.pictures.knows(&0, AREA));
}

#[test]
fn pictures_keep_their_proportions_to_the_nearest_cell() {
    let cell = Cell { width: 8, height: 16 };
    assert_eq!(fit((100, 100), Size::new(24, 11), cell), Size::new(22, 11));
    assert_eq!(fit((200, 100), Size::new(24, 11), cell), Size::new(24, 6));
    assert_eq!(fit((1, 1000), Size::new(24, 11), cell), Size::new(1, 11));
    assert_eq!(fit((5000, 1), Size::new(400, 11), cell), Size::new(297, 1));
    assert_eq!(centred(Size::new(20, 11), Rect::new(2, 1, 24, 12)), Rect::new(4, 1, 20, 11));
}
