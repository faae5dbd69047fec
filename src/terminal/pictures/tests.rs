//! The screen's loop with a simulated terminal: what is written, and what each picture looks like.

use std::sync::mpsc::{Receiver, channel};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::uploads::MAX_TERMINAL_PICTURES;
use super::*;
use crate::terminal::capabilities::assess;
use crate::terminal::environment::Environment;
use crate::terminal::flow_control::{SLICE, WINDOW};
use crate::terminal::probe::Replies;
use crate::terminal::protocol::ChosenProtocol;

const AREA: Size = Size::new(12, 6);

/// A screen with places for twelve pictures, four in a row.
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
        let environment = Environment {
            is_terminal: true,
            term: "x".into(),
            colorterm: "truecolor".into(),
            ..Environment::default()
        };
        let replies = Replies { name: Some(name.into()), cell_size: Some((8, 16)), ..Replies::default() };
        let chosen = ChosenProtocol { protocol, source: "the test".into() };
        let capabilities = assess(&replies, &environment, Some(chosen));
        // The encoders return many bytes, so that sending takes several slices.
        let bytes: Encode = |picture| Some(picture.as_raw()[..12_000].to_vec());
        let text: Encode = |_| Some(format!("\x1bPq{}\x1b\\", "x".repeat(12_000)).into_bytes());
        let (wake, woken) = channel();
        let codecs = Codecs { png: bytes, jpeg: bytes, sixel: text };
        let pictures = Pictures::new(&capabilities, codecs, move || wake.send(()).unwrap_or_default());
        let terminal = Terminal::new(TestBackend::new(60, 24)).unwrap();
        Self { pictures, terminal, woken, now: Instant::now(), keys: Vec::new() }
    }

    fn page(&mut self, keys: impl Iterator<Item = u32>) {
        self.keys = keys.collect();
        for &key in &self.keys {
            let picture = RgbImage::from_fn(96, 96, |x, y| image::Rgb([(x * 2) as u8, (y * 2) as u8, key as u8]));
            self.pictures.add(key, Arc::new(picture), AREA);
        }
    }

    fn place(number: usize) -> Rect {
        Rect::new((number % 4) as u16 * 13, (number / 4) as u16 * 7, AREA.width, AREA.height)
    }

    /// One turn of the loop. Returns what was written before the frame.
    fn turn(&mut self) -> Vec<u8> {
        self.turn_with_prelude().bytes
    }

    fn turn_with_prelude(&mut self) -> FramePrelude {
        let prelude = self.pictures.prepare_frame(self.now);
        let (pictures, keys) = (&mut self.pictures, &self.keys);
        self.terminal
            .draw(|frame| {
                for (number, key) in keys.iter().enumerate() {
                    pictures.draw(frame, Self::place(number), key);
                }
            })
            .unwrap();
        prelude
    }

    /// Turns until all visible pictures are encoded, and then a few times more, without a reply from the terminal.
    fn settle(&mut self) -> Vec<u8> {
        // With the window full, nothing is sent before everything is encoded: the order of encoding must not matter.
        self.pictures.flow.sent(2 * WINDOW, self.now);
        let mut bytes = self.turn();
        let is_encoded = |screen: &Self| {
            screen.keys.iter().all(|key| {
                let entry = screen.entry(*key);
                entry.coarse.is_some() && !matches!(entry.sharp, Sharp::Encoding | Sharp::Missing)
            })
        };
        while !is_encoded(self) {
            self.woken.recv_timeout(Duration::from_secs(20)).expect("the encoder works");
            bytes.extend(self.turn());
        }
        self.pictures.flow.reset();
        for _ in 0..3 {
            bytes.extend(self.turn());
        }
        bytes
    }

    /// Acknowledges until everything is sent.
    fn acknowledge_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..200 {
            self.pictures.handle_reply(&LateReply::Name);
            bytes.extend(self.turn());
        }
        bytes
    }

    /// Whether the picture at this place is sharp, in half-blocks (coarse), or missing.
    fn looks(&self, number: usize) -> &'static str {
        let place = Self::place(number);
        let cell = &self.terminal.backend().buffer()[(place.x + place.width / 2 - 6, place.y)];
        match cell.symbol() {
            text if text.starts_with('\u{10EEEE}') || text.contains("\x1bPq") || text.contains("1337") => "sharp",
            _ if cell.bg != ratatui::style::Color::Reset => "coarse",
            _ => "missing",
        }
    }

    fn entry(&self, key: u32) -> &Entry {
        self.pictures.cache.get(&(key, AREA)).unwrap()
    }

    /// How many pictures are sharp.
    fn sharp(&self) -> usize {
        (0..self.keys.len()).filter(|&number| self.looks(number) == "sharp").count()
    }
}

fn count(bytes: &[u8], what: &str) -> usize {
    String::from_utf8_lossy(bytes).matches(what).count()
}

#[test]
fn a_picture_is_coarse_until_its_last_part_is_sent() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..12);
    let first = screen.settle();
    // Three pictures of 16 kB fit into the window; the fourth has begun.
    assert_eq!((screen.sharp(), screen.looks(0), screen.looks(11)), (3, "sharp", "coarse"));
    assert_eq!((count(&first, "a=T"), count(&first, "m=0;")), (4, 3));
    screen.acknowledge_all();
    assert_eq!(screen.sharp(), 12);
}

#[test]
fn no_more_than_the_window_is_sent() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..12);
    let first = screen.settle();
    assert!((WINDOW..WINDOW + 2 * SLICE).contains(&first.len()), "{}", first.len());
    assert_eq!(count(&first, "\x1b[>q"), 3);
    assert_eq!(screen.turn(), b"");
    assert!(screen.pictures.time_until_work(screen.now).is_some());
    screen.pictures.handle_reply(&LateReply::Name);
    let second = screen.turn();
    assert!((SLICE / 2..2 * SLICE).contains(&second.len()), "{}", second.len());
    // A missing reply blocks only until the timeout.
    screen.now += Duration::from_secs(10);
    assert!(screen.turn().len() > SLICE);
    screen.acknowledge_all();
    assert_eq!(screen.pictures.time_until_work(screen.now), None);
}

#[test]
fn invisible_pictures_are_not_uploaded() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..12);
    let first = screen.settle();
    assert_eq!((count(&first, "a=T"), count(&first, "m=0;")), (4, 3));
    screen.page(100..104);
    let second = [screen.settle(), screen.acknowledge_all()].concat();
    // The rest of the picture that had begun, and the four visible ones.
    assert_eq!((count(&second, "a=T"), count(&second, "m=0;")), (4, 5));
    assert_eq!(screen.sharp(), 4);
    // The terminal still has the pictures that were uploaded first.
    screen.page(0..4);
    assert_eq!(count(&screen.turn(), "a=T"), 0);
    assert_eq!(screen.sharp(), 4);
}

#[test]
fn after_a_reattachment_visible_pictures_are_uploaded_again_with_their_ids() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..3);
    let first = [screen.settle(), screen.acknowledge_all()].concat();
    let ids = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let ids =
            text.split("a=T").skip(1).filter_map(|part| Some(part.split_once(",i=")?.1.split_once(',')?.0.to_owned()));
        ids.collect::<Vec<String>>()
    };
    assert_eq!(ids(&first).len(), 3);
    screen.pictures.invalidate_all();
    let second = [screen.turn(), screen.acknowledge_all()].concat();
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(screen.sharp(), 3);
}

#[test]
fn a_picture_that_is_rejected_three_times_stays_coarse() {
    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..2);
    screen.settle();
    let mut reject = |uploads: usize| {
        let id = screen.entry(1).id.unwrap();
        screen.pictures.handle_reply(&LateReply::Graphics { id, error: Some("EILSEQ:cut".into()) });
        let bytes = [screen.turn(), screen.acknowledge_all()].concat();
        assert_eq!(count(&bytes, "a=T"), uploads);
    };
    reject(1);
    reject(1);
    reject(0);
    assert_eq!((screen.looks(0), screen.looks(1)), ("sharp", "coarse"));
}

#[test]
fn the_screen_is_not_cleared_during_an_upload() {
    type Cause = fn(&mut Pictures<u32>);
    let causes: [(Cause, usize); 2] = [
        (|pictures| pictures.cover(Rect::new(0, 0, 10, 5)), 12),
        // The half that was sent may have gone to another terminal, so the picture is uploaded again.
        (|pictures| pictures.invalidate_all(), 13),
    ];
    for (cause, uploads) in causes {
        let mut screen = Screen::new(Protocol::Kitty);
        screen.page(0..12);
        let first = screen.settle();
        assert!(screen.pictures.uploads.is_uploading(), "no upload is in progress");
        let complete = screen.pictures.cache.values().filter(|entry| entry.is_shown()).count();
        cause(&mut screen.pictures);
        let clearing = screen.turn();
        assert!(!screen.pictures.uploads.is_uploading(), "an upload is in progress while the screen is cleared");
        assert_eq!(count(&clearing, "a=T"), 0, "a picture begins before the screen is cleared");
        assert_eq!(count(&clearing, "m=0"), 1);
        let rest = screen.acknowledge_all();
        assert_eq!(screen.sharp(), 12);
        let again = if uploads == 12 { 0 } else { complete };
        assert_eq!(count(&[first, rest].concat(), "a=T"), uploads + again);
    }
}

#[test]
fn another_cell_size_drops_inline_pictures() {
    for (protocol, dropped) in [(Protocol::Sixel, true), (Protocol::Kitty, false)] {
        let mut screen = Screen::new(protocol);
        screen.page(0..3);
        screen.settle();
        screen.acknowledge_all();
        screen.pictures.set_cell_size(CellSize { width: 8, height: 16 });
        assert!(screen.pictures.contains(&0, AREA), "the same size");
        screen.pictures.set_cell_size(CellSize { width: 10, height: 20 });
        assert_eq!(screen.pictures.contains(&0, AREA), !dropped);
    }
}

#[test]
fn the_oldest_invisible_pictures_are_deleted_from_a_full_terminal() {
    let mut screen = Screen::new(Protocol::Kitty);
    let mut deleted = 0;
    for page in 0..19 {
        screen.page(page * 12..page * 12 + 12);
        let bytes = [screen.settle(), screen.acknowledge_all()].concat();
        deleted += count(&bytes, "a=d,d=I");
        assert_eq!(screen.sharp(), 12);
        assert!(screen.pictures.cache.values().filter(|entry| entry.id.is_some()).count() <= MAX_TERMINAL_PICTURES);
    }
    assert_eq!(deleted, 19 * 12 - MAX_TERMINAL_PICTURES);
    assert!(screen.entry(0).id.is_none());
    assert!(screen.entry(18 * 12).id.is_some());
}

#[test]
fn inline_pictures_become_sharp_a_few_at_a_time() {
    for protocol in [Protocol::Sixel, Protocol::Iterm2] {
        let mut screen = Screen::new(protocol);
        screen.page(0..12);
        assert_eq!(screen.settle(), b"");
        let at_once = screen.sharp();
        assert!((3..=5).contains(&at_once), "{at_once}");
        let symbol = screen.terminal.backend().buffer()[(0, 0)].symbol().to_owned();
        assert!(symbol.ends_with("\x1b8\x1b[>q") && symbol.starts_with("\x1b7\x1b[12X"), "{:?}", &symbol[..40]);
        screen.acknowledge_all();
        assert_eq!(screen.sharp(), 12);
        screen.pictures.invalidate_all();
        screen.turn();
        assert!(screen.sharp() <= 5);
        screen.acknowledge_all();
        // Back from another page, everything is encoded, so the encoder does not wake the screen.
        let first: Vec<u32> = screen.keys.clone();
        screen.page(12..15);
        screen.settle();
        screen.acknowledge_all();
        screen.page(first.into_iter());
        screen.turn();
        assert_eq!((screen.sharp(), screen.pictures.time_until_work(screen.now)), (0, Some(Duration::ZERO)));
        screen.turn();
        assert!((3..=5).contains(&screen.sharp()));
        screen.acknowledge_all();
        assert_eq!(screen.sharp(), 12);
    }
}

#[test]
fn pictures_of_a_left_page_do_not_delay_the_next() {
    let mut screen = Screen::new(Protocol::Sixel);
    screen.page(0..12);
    screen.settle();
    screen.acknowledge_all();
    screen.pictures.cover(Rect::new(0, 0, 60, 24));
    screen.turn();
    // The popup is closed and the page left at the same time.
    screen.pictures.uncover();
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
fn inline_pictures_are_coarse_under_a_popup() {
    let mut screen = Screen::new(Protocol::Sixel);
    screen.page(0..12);
    screen.settle();
    screen.acknowledge_all();
    screen.pictures.cover(Rect::new(20, 4, 10, 6));
    screen.acknowledge_all();
    let coarse: Vec<usize> = (0..12).filter(|&number| screen.looks(number) == "coarse").collect();
    assert_eq!(coarse, [1, 2, 5, 6]);
    screen.pictures.uncover();
    screen.acknowledge_all();
    assert_eq!(screen.sharp(), 12);

    let mut screen = Screen::new(Protocol::Kitty);
    screen.page(0..4);
    screen.settle();
    screen.acknowledge_all();
    screen.pictures.cover(Rect::new(20, 4, 10, 6));
    screen.turn();
    assert_eq!(screen.sharp(), 4);
}

#[test]
fn the_screen_is_cleared_where_text_keeps_pictures() {
    for (name, clears) in [("Konsole 25.04.2", true), ("WezTerm 20240203", false)] {
        let mut screen = Screen::of(Protocol::Iterm2, name);
        screen.page(0..12);
        screen.settle();
        screen.acknowledge_all();
        assert_eq!(screen.pictures.time_until_work(screen.now), None);
        screen.pictures.cover(Rect::new(20, 4, 10, 6));
        assert!(!screen.turn_with_prelude().clear);
        assert_eq!(screen.pictures.time_until_work(screen.now), clears.then_some(Duration::ZERO));
        assert_eq!(screen.turn_with_prelude().clear, clears);
        assert!(!screen.turn_with_prelude().clear);
        screen.pictures.uncover();
        screen.acknowledge_all();
        // A page without pictures.
        screen.page(0..0);
        assert!(!screen.turn_with_prelude().clear);
        assert_eq!(screen.pictures.time_until_work(screen.now), clears.then_some(Duration::ZERO));
        assert_eq!(screen.turn_with_prelude().clear, clears);
        assert_eq!(screen.pictures.time_until_work(screen.now), None);
    }
}

#[test]
fn without_a_sharp_protocol_pictures_are_coarse_or_off() {
    let mut screen = Screen::new(Protocol::HalfBlocks);
    screen.page(0..2);
    screen.turn();
    while screen.looks(1) != "coarse" {
        screen.woken.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(screen.turn(), b"");
    }
    let mut screen = Screen::new(Protocol::Off);
    screen.page(0..2);
    assert!(!screen.pictures.contains(&0, AREA));
}
