//! Pictures on the drawn screen. Each is first drawn in half-blocks, and sharp once its data have reached the terminal:
//! a few at a time, those that are visible, and never more than the link can be behind with.
//!
//! The screen's loop is: [`Pictures::tick`]; draw, with what it returned before the frame; wait for an event, or for as
//! long as [`Pictures::wait`] says. Scaling and encoding happen on a thread of their own, which wakes the loop.

mod encoder;

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use image::RgbImage;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as Drawn;

use self::encoder::{Encoder, Job, Made, Wanted, Work};
use super::colours::Colours;
use super::input::Answer;
use super::kitty::{self, Ids};
use super::pace::{Pace, SLICE};
use super::probe::NAME_QUESTION;
use super::session::Before;
use super::verdict::{Cell, Protocol, Tmux, Verdict};

/// How a picture of the right size becomes few bytes. None where it cannot.
#[derive(Clone, Copy)]
pub struct Codecs {
    pub png: Encode,
    pub jpeg: Encode,
    pub sixel: Encode,
}

pub type Encode = fn(&RgbImage) -> Option<Vec<u8>>;

/// Pictures, named by keys. The same picture may be shown in several sizes.
pub struct Pictures<K> {
    protocol: Protocol,
    cell: Cell,
    through_tmux: bool,
    entries: HashMap<Named<K>, Entry>,
    encoder: Encoder<Named<K>>,
    pace: Pace,
    fence: Vec<u8>,
    ids: Ids,
    uploading: Option<Uploading<K>>,
    /// Whether pictures stay under what is written over them, and whether there are some that should not.
    stay: bool,
    stale: bool,
    /// Where a popup is.
    popup: Option<Rect>,
    /// Counts ticks: a picture is visible if it was drawn since the last one.
    frame: Arc<AtomicU64>,
    /// A popup came or went over placeholders that lean on each other.
    torn: bool,
    /// The terminal may have lost what it had, and the screen is about to be cleared.
    lost: bool,
    /// Counts what is drawn, so that pictures come in the order in which they stand.
    drawn: u64,
}

/// A key and the area that was asked for.
type Named<K> = (K, Size);

struct Uploading<K> {
    name: Named<K>,
    parts: VecDeque<Vec<u8>>,
    /// Whether the terminal may be another one than that which got the first part: it has to travel again.
    torn: bool,
}

struct Entry {
    picture: Arc<RgbImage>,
    cells: Size,
    coarse: Option<Buffer>,
    sharp: Sharp,
    /// Its number in kitty's protocol, as long as the terminal has it.
    id: Option<u32>,
    wanted: Wanted,
    /// Where it stood among all that was drawn.
    order: u64,
    /// Whether a popup lies over it, and it cannot be drawn under it.
    covered: bool,
    /// How often the terminal refused it.
    refused: u8,
    /// Bytes that count as sent with the frame that comes, if it draws them.
    owed: Option<usize>,
}

enum Sharp {
    /// Not asked for, or dropped because nobody looked.
    Missing,
    Encoding,
    /// What travels, and whether it has.
    Ready {
        data: Data,
        shown: bool,
    },
    /// It could not be encoded, or the terminal refused it: half-blocks stay.
    Failed,
}

enum Data {
    /// Uploaded before it is drawn.
    Upload(Vec<u8>),
    /// Drawn with the text.
    InText { drawn: Drawn, bytes: usize },
}

/// Bytes of decoded pictures that the terminal is asked to keep; kitty keeps 320 MB for a window.
const KEPT_THERE: usize = 96 << 20;
/// And how many: with 256 colours there are not many more numbers.
const MOST_KEPT_THERE: usize = 200;
/// A picture that was refused so often stays in half-blocks.
const REFUSALS: u8 = 3;
/// Bytes of pictures and their data that are kept here.
const KEPT_HERE: usize = 128 << 20;

impl<K: Hash + Eq + Clone + Send + 'static> Pictures<K> {
    /// `wake` is called on another thread when there is something new to draw.
    pub fn new(verdict: &Verdict, codecs: Codecs, wake: impl Fn() + Send + 'static) -> Self {
        let through_tmux = verdict.tmux == Tmux::PassesThrough && verdict.protocol == Protocol::Kitty;
        // tmux gives what the terminal answers to the pane in front, which may be another one by then.
        let answers = verdict.answers && !through_tmux;
        let fence = if answers { NAME_QUESTION.to_vec() } else { Vec::new() };
        let work = Work {
            protocol: verdict.protocol,
            colours: verdict.colours,
            codecs,
            fence: fence.clone(),
            through_tmux,
            spills: verdict.terminal.as_deref().is_some_and(|name| name.starts_with("Konsole")),
        };
        Self {
            protocol: verdict.protocol,
            cell: verdict.cell,
            through_tmux,
            entries: HashMap::new(),
            encoder: Encoder::start(work, wake),
            pace: Pace::new(answers),
            fence,
            ids: Ids::new(verdict.colours == Colours::True),
            uploading: None,
            stay: verdict.pictures_stay && verdict.protocol != Protocol::Kitty,
            stale: false,
            torn: false,
            lost: false,
            popup: None,
            frame: Arc::new(AtomicU64::new(1)),
            drawn: 0,
        }
    }

    /// Whether pictures are shown at all.
    pub fn shows(&self) -> bool {
        self.protocol != Protocol::Off
    }

    /// Whether `draw` would find this picture in this size.
    pub fn knows(&self, key: &K, area: impl Into<Size>) -> bool {
        self.entries.contains_key(&(key.clone(), area.into()))
    }

    /// Makes a picture known. It keeps its proportions and stands in the middle of its area.
    pub fn request(&mut self, key: K, picture: Arc<RgbImage>, area: impl Into<Size>) {
        let area = area.into();
        let name = (key, area);
        if self.protocol == Protocol::Off || area.width == 0 || area.height == 0 || self.entries.contains_key(&name) {
            return;
        }
        let cells = fit(picture.dimensions(), area, self.cell);
        let wanted = Wanted::new(&self.frame);
        let mut entry = Entry {
            picture,
            cells,
            coarse: None,
            sharp: Sharp::Missing,
            id: None,
            wanted,
            order: 0,
            covered: false,
            refused: 0,
            owed: None,
        };
        Self::encode(&self.encoder, self.cell, &name, &mut entry);
        self.entries.insert(name, entry);
    }

    /// Draws what there is of a picture. False if there is nothing of it yet, or it is not known (any more) in this size.
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, key: &K) -> bool {
        let name = (key.clone(), area.as_size());
        let Some(entry) = self.entries.get_mut(&name) else { return false };
        self.drawn += 1;
        entry.order = self.drawn;
        entry.wanted.touch();
        if matches!(entry.sharp, Sharp::Missing) {
            Self::encode(&self.encoder, self.cell, &name, entry);
        }
        let place = centred(entry.cells, area);
        if self.protocol != Protocol::Kitty && self.popup.is_some_and(|popup| popup.intersects(place)) {
            entry.covered = true;
            self.stale |= entry.unshow();
        }
        let in_frame = place.intersection(frame.area());
        if entry.is_shown() && in_frame == place {
            entry.owed = None;
        }
        match (&entry.sharp, entry.id) {
            (Sharp::Ready { data: Data::Upload(_), shown: true }, Some(id)) => {
                kitty::place(frame.buffer_mut(), in_frame, id);
            }
            // It cannot be cut off at the screen's edge.
            (Sharp::Ready { data: Data::InText { drawn, .. }, shown: true }, _) if in_frame == place => {
                frame.render_widget(Image::new(drawn), place);
            }
            _ => match &entry.coarse {
                Some(coarse) => copy(coarse, place, frame.buffer_mut()),
                None => return false,
            },
        }
        true
    }

    /// Before every frame: what goes before it. Pictures whose time has come are sharp in that frame.
    pub fn tick(&mut self, now: Instant) -> Before {
        let made: Vec<(Named<K>, Made)> = self.encoder.made().collect();
        for (name, made) in made {
            self.take(&name, made);
        }
        let before = match self.protocol {
            Protocol::Kitty => {
                let anew = std::mem::take(&mut self.torn);
                // Clearing the screen takes away what has come of a picture so far, and its further parts are refused:
                // it is whole before, and the next one begins after.
                let clears = std::mem::take(&mut self.lost) || anew;
                let bytes = if clears { self.finish(now) } else { self.upload(now) };
                Before { bytes, anew, squeeze: self.squeezes() }
            }
            Protocol::Sixel | Protocol::Iterm2 => Before { anew: self.show_more(now), ..Before::default() },
            Protocol::HalfBlocks | Protocol::Off => Before::default(),
        };
        self.forget_oldest();
        self.frame.fetch_add(1, Ordering::Relaxed);
        before
    }

    /// How long until there is something to do even if no event comes; none if there is not.
    pub fn wait(&mut self, now: Instant) -> Option<Duration> {
        let gone = |entry: &Entry| entry.is_shown() && !entry.wanted.is_visible();
        if self.stay && (self.stale || self.entries.values().any(gone)) {
            return Some(Duration::ZERO);
        }
        let waiting = self.uploading.is_some() || self.entries.values().any(Entry::is_waiting);
        waiting.then(|| self.pace.wait(now))
    }

    /// What the terminal said.
    pub fn answered(&mut self, answer: &Answer) {
        match answer {
            Answer::Name => self.pace.answered(),
            Answer::Graphics { error: None, .. } => {}
            // It does not have it: something came between its parts, or it will never take it.
            Answer::Graphics { id, .. } => {
                if let Some(entry) = self.entries.values_mut().find(|entry| entry.id == Some(*id)) {
                    entry.refused += 1;
                    match entry.refused {
                        ..REFUSALS => drop(entry.unshow()),
                        _ => (entry.sharp, entry.id) = (Sharp::Failed, None),
                    }
                }
            }
        }
    }

    /// Answers of the terminal that are still on their way; see [`super::session::Session::hear_out`].
    pub fn unanswered(&self) -> usize {
        self.pace.unanswered()
    }

    /// A popup is there: pictures that are drawn with the text are in half-blocks under it, because they would come to
    /// lie over it. kitty's stay as they are, and are written anew.
    pub fn hide(&mut self, under: Rect) {
        if self.popup != Some(under) {
            self.show();
            (self.popup, self.torn) = (Some(under), self.squeezes());
        }
    }

    /// The popup is gone. Pictures come back as they came: a few at a time.
    pub fn show(&mut self) {
        if self.popup.take().is_none() {
            return;
        }
        self.torn = self.squeezes();
        self.entries.values_mut().for_each(|entry| entry.covered = false);
    }

    /// The terminal may have lost everything, or be another one: all that is visible travels again.
    pub fn invalidate_all(&mut self) {
        self.uploading.iter_mut().for_each(|uploading| uploading.torn = true);
        self.lost = true;
        self.pace.forget();
        self.unshow_all();
    }

    /// The size of the terminal's cells now; another font may have changed it. kitty scales its pictures by itself.
    pub fn set_cell(&mut self, cell: Cell) {
        if cell != self.cell && matches!(self.protocol, Protocol::Sixel | Protocol::Iterm2) {
            self.cell = cell;
            self.entries.clear();
        }
    }

    /// Whether placeholders lean on the cell to their left, and fall with it.
    fn squeezes(&self) -> bool {
        self.protocol == Protocol::Kitty && !self.through_tmux
    }

    fn encode(encoder: &Encoder<Named<K>>, cell: Cell, name: &Named<K>, entry: &mut Entry) {
        entry.sharp = Sharp::Encoding;
        let (picture, wanted) = (entry.picture.clone(), entry.wanted.clone());
        encoder.order(Job { name: name.clone(), picture, cells: entry.cells, cell, wanted });
    }

    fn take(&mut self, name: &Named<K>, made: Made) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        match made {
            Made::Coarse(buffer) => entry.coarse = Some(buffer),
            Made::Sharp(data) => entry.sharp = Sharp::Ready { data, shown: false },
            Made::Dropped => entry.sharp = Sharp::Missing,
            Made::Failed => entry.sharp = Sharp::Failed,
        }
    }

    /// As much of the visible pictures as there is room for, with a question after every slice.
    fn upload(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.pace.room(now) > 0 {
            let mut slice = Vec::new();
            while slice.len() < SLICE {
                if self.uploading.is_none() {
                    let Some(next) = self.next() else { break };
                    // Other graphics must not go between a picture's parts.
                    slice.extend(self.delete_oldest());
                    self.uploading = self.begin(next);
                }
                let Some(uploading) = &mut self.uploading else { break };
                slice.extend(uploading.parts.pop_front().unwrap_or_default());
                if uploading.parts.is_empty() {
                    self.arrived();
                }
            }
            if slice.is_empty() {
                break;
            }
            slice.extend_from_slice(&self.fence);
            self.pace.sent(slice.len(), now);
            bytes.extend(slice);
        }
        bytes
    }

    /// The rest of a picture that is half there.
    fn finish(&mut self, now: Instant) -> Vec<u8> {
        let Some(uploading) = &mut self.uploading else { return Vec::new() };
        let mut bytes: Vec<u8> = uploading.parts.drain(..).flatten().collect();
        self.arrived();
        bytes.extend_from_slice(&self.fence);
        self.pace.sent(bytes.len(), now);
        bytes
    }

    /// The first that is waiting, as they stand on the screen.
    fn next(&self) -> Option<Named<K>> {
        let waiting = self.entries.iter().filter(|(_, entry)| entry.is_waiting());
        waiting.min_by_key(|(_, entry)| entry.order).map(|(name, _)| name.clone())
    }

    fn begin(&mut self, name: Named<K>) -> Option<Uploading<K>> {
        let entry = self.entries.get_mut(&name)?;
        let Sharp::Ready { data: Data::Upload(png), .. } = &entry.sharp else { return None };
        let id = *entry.id.get_or_insert_with(|| self.ids.fresh());
        let parts = kitty::upload(id, entry.cells, png, self.through_tmux).into();
        Some(Uploading { name, parts, torn: false })
    }

    /// The last part is on its way; what is written after it finds the picture there.
    fn arrived(&mut self) {
        let Some(Uploading { name, torn: false, .. }) = self.uploading.take() else { return };
        if let Some(Sharp::Ready { shown, .. }) = self.entries.get_mut(&name).map(|entry| &mut entry.sharp) {
            *shown = true;
        }
    }

    /// Pictures that nobody sees, from the one that was seen longest ago, as long as the terminal has too many.
    fn delete_oldest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let kept = || self.entries.values().filter(|entry| entry.id.is_some());
            let memory: usize = kept().map(|entry| 4 * entry.picture.len() / 3).sum();
            if memory <= KEPT_THERE && kept().count() < MOST_KEPT_THERE {
                return bytes;
            }
            let hidden = self.entries.values_mut().filter(|entry| entry.id.is_some() && !entry.wanted.is_visible());
            let Some(oldest) = hidden.min_by_key(|entry| entry.order) else { return bytes };
            oldest.unshow();
            bytes.extend(oldest.id.take().map(|id| kitty::delete(id, self.through_tmux)).unwrap_or_default());
        }
    }

    /// Pictures that are drawn with the text: as many more as there is room for, and those no longer that were not
    /// drawn, so that they do not all come back at once. Returns whether the screen has to be cleared of some.
    fn show_more(&mut self, now: Instant) -> bool {
        // What the last frame did not draw after all was not sent, and nothing will answer it.
        for bytes in self.entries.values_mut().filter_map(|entry| entry.owed.take()) {
            self.pace.take_back(bytes);
        }
        for entry in self.entries.values_mut().filter(|entry| !entry.wanted.is_visible()) {
            self.stale |= entry.unshow();
        }
        let clear = std::mem::take(&mut self.stale) && self.stay;
        if clear {
            self.unshow_all();
        }
        while self.pace.room(now) > 0 {
            let waiting = self.entries.values_mut().filter(|entry| entry.is_waiting());
            let Some(next) = waiting.min_by_key(|entry| entry.order) else { break };
            if let Sharp::Ready { data: Data::InText { bytes, .. }, shown } = &mut next.sharp {
                *shown = true;
                self.pace.sent(*bytes, now);
                next.owed = Some(*bytes);
            }
        }
        clear
    }

    fn unshow_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.unshow();
        }
    }

    /// What was seen longest ago, as long as there is too much.
    fn forget_oldest(&mut self) {
        loop {
            let bytes: usize = self.entries.values().map(Entry::bytes).sum();
            if bytes <= KEPT_HERE {
                return;
            }
            // One that the terminal has is deleted there first.
            let hidden = self.entries.iter().filter(|(_, entry)| entry.wanted.age() > 2 && entry.id.is_none());
            let Some(oldest) = hidden.min_by_key(|(_, entry)| entry.order).map(|(name, _)| name.clone()) else {
                return;
            };
            self.entries.remove(&oldest);
        }
    }
}

impl Entry {
    /// Whether it is seen, and could be sharp.
    fn is_waiting(&self) -> bool {
        matches!(self.sharp, Sharp::Ready { shown: false, .. }) && self.wanted.is_visible() && !self.covered
    }

    fn is_shown(&self) -> bool {
        matches!(self.sharp, Sharp::Ready { shown: true, .. })
    }

    /// Returns whether it was shown.
    fn unshow(&mut self) -> bool {
        match &mut self.sharp {
            Sharp::Ready { shown, .. } => std::mem::take(shown),
            _ => false,
        }
    }

    fn bytes(&self) -> usize {
        let data = match &self.sharp {
            Sharp::Ready { data: Data::Upload(png), .. } => png.len(),
            Sharp::Ready { data: Data::InText { bytes, .. }, .. } => *bytes,
            _ => 0,
        };
        self.picture.len() + data
    }
}

/// The cells that a picture fills inside an area, to the nearest cell: it is stretched by half a cell at most.
fn fit((width, height): (u32, u32), area: Size, cell: Cell) -> Size {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (cell_width, cell_height) = (f64::from(cell.width), f64::from(cell.height));
    let (columns, rows) = (area.width.min(kitty::MOST_CELLS), area.height.min(kitty::MOST_CELLS));
    let scale = (f64::from(columns) * cell_width / width).min(f64::from(rows) * cell_height / height);
    let cells = |pixels: f64, cell: f64, most: u16| ((pixels * scale / cell).round() as u16).clamp(1, most.max(1));
    Size::new(cells(width, cell_width, columns), cells(height, cell_height, rows))
}

fn centred(cells: Size, area: Rect) -> Rect {
    let x = area.x + (area.width.saturating_sub(cells.width)) / 2;
    let y = area.y + (area.height.saturating_sub(cells.height)) / 2;
    Rect::new(x, y, cells.width, cells.height)
}

fn copy(from: &Buffer, place: Rect, to: &mut Buffer) {
    for (number, cell) in from.content.iter().enumerate() {
        let (x, y) = from.pos_of(number);
        if let Some(target) = to.cell_mut((place.x + x, place.y + y)) {
            *target = cell.clone();
        }
    }
}

#[cfg(test)]
mod tests;
