//! Pictures on the full screen. Each is drawn in half-blocks first and sharp once its data are sent: visible pictures
//! only, a few at a time, and never more than [`super::flow_control`] allows.
//!
//! The screen's loop: call [`Pictures::prepare_frame`], draw with the prelude it returns, and wait for an event or for
//! [`Pictures::time_until_work`]. A thread scales and encodes the pictures; it wakes the loop.

mod cache;
mod codecs;
mod encoder;
mod entry;
mod inline;
mod layout;
mod uploads;

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use image::RgbImage;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui_image::Image;

use super::capabilities::{Capabilities, Tmux};
use super::cell_size::CellSize;
use super::colours::Colours;
use super::flow_control::FlowControl;
use super::frame::FramePrelude;
use super::kitty::{self, Ids};
use super::late_replies::LateReply;
use super::probe::NAME_QUERY;
use super::protocol::Protocol;

use cache::{Cache, Slot};
pub use codecs::{Codecs, Encode};
use encoder::{Encoded, Encoder, Job, Target};
use entry::{Entry, LastSeen, Sharp, SharpData};
use inline::InlinePictures;
use layout::{centred, copy, fit};
use uploads::Uploads;

/// Pictures by key. The same picture may be shown in several sizes.
pub struct Pictures<K> {
    protocol: Protocol,
    cell_size: CellSize,
    cache: Cache<K>,
    encoder: Encoder<Slot<K>>,
    flow: FlowControl,
    uploads: Uploads<K>,
    inline: InlinePictures,
    popup: Option<Rect>,
    /// Counts frames: a picture is visible if the current frame has drawn it.
    frame: Arc<AtomicU64>,
    /// Counts drawn pictures, so that they become sharp in the order of drawing.
    drawn: u64,
    /// Whether a popup opened or closed over compressed placeholders, which depend on their left neighbours.
    placeholders_broken: bool,
    /// Whether the terminal may have lost its pictures. The screen is about to be cleared.
    invalidated: bool,
}

/// A picture that the terminal rejects this often stays in half-blocks.
const MAX_REJECTIONS: u8 = 3;

impl<K: Hash + Eq + Clone + Send + 'static> Pictures<K> {
    /// `wake` is called on another thread whenever there is something new to draw.
    pub fn new(capabilities: &Capabilities, codecs: Codecs, wake: impl Fn() + Send + 'static) -> Self {
        let protocol = capabilities.protocol;
        let through_tmux = capabilities.tmux == Tmux::PassesThrough && protocol == Protocol::Kitty;
        // tmux sends a reply to the active pane, which may be another one by then.
        let acknowledges = capabilities.answers_name_query && !through_tmux;
        let acknowledgement_query = if acknowledges { NAME_QUERY.to_vec() } else { Vec::new() };
        let target = Target {
            protocol,
            colours: capabilities.colours,
            codecs,
            acknowledgement_query: acknowledgement_query.clone(),
            through_tmux,
            erases_right_column: capabilities.terminal.as_deref().is_some_and(|name| name.starts_with("Konsole")),
        };
        let ids = Ids::new(capabilities.colours == Colours::True);
        Self {
            protocol,
            cell_size: capabilities.cell_size,
            cache: Cache::new(),
            encoder: Encoder::start(target, wake),
            flow: FlowControl::new(acknowledges),
            uploads: Uploads::new(through_tmux, acknowledgement_query, ids),
            inline: InlinePictures::new(capabilities.text_keeps_pictures && protocol != Protocol::Kitty),
            popup: None,
            frame: Arc::new(AtomicU64::new(1)),
            drawn: 0,
            placeholders_broken: false,
            invalidated: false,
        }
    }

    /// Whether pictures are shown at all.
    pub fn is_enabled(&self) -> bool {
        self.protocol != Protocol::Off
    }

    /// Whether [`Self::draw`] would find this picture in this size.
    pub fn contains(&self, key: &K, area: impl Into<Size>) -> bool {
        self.cache.contains(&(key.clone(), area.into()))
    }

    /// Adds a picture for an area of this size. It keeps its proportions and stands in the middle.
    pub fn add(&mut self, key: K, picture: Arc<RgbImage>, area: impl Into<Size>) {
        let area = area.into();
        let slot = (key, area);
        if self.protocol == Protocol::Off || area.width == 0 || area.height == 0 || self.cache.contains(&slot) {
            return;
        }
        let cells = fit(picture.dimensions(), area, self.cell_size);
        let mut entry = Entry::new(picture, cells, LastSeen::now(&self.frame));
        order(&self.encoder, self.cell_size, &slot, &mut entry);
        self.cache.insert(slot, entry);
    }

    /// Draws the best version that is ready. False if none is, or if the picture has to be added (again).
    pub fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, key: &K) -> bool {
        let slot = (key.clone(), area.as_size());
        let Some(entry) = self.cache.get_mut(&slot) else { return false };
        self.drawn += 1;
        entry.order = self.drawn;
        entry.last_seen.update();
        if matches!(entry.sharp, Sharp::Missing) {
            order(&self.encoder, self.cell_size, &slot, entry);
        }
        let place = centred(entry.cells, area);
        if self.protocol != Protocol::Kitty && self.popup.is_some_and(|popup| popup.intersects(place)) {
            entry.covered = true;
            self.inline.hide(entry);
        }
        let in_frame = place.intersection(frame.area());
        if entry.is_shown() && in_frame == place {
            entry.reserved = None;
        }
        match (&entry.sharp, entry.id) {
            (Sharp::Ready { data: SharpData::Upload(_), shown: true }, Some(id)) => {
                kitty::place(frame.buffer_mut(), in_frame, id);
            }
            // An inline picture cannot be cut off at the edge of the screen.
            (Sharp::Ready { data: SharpData::Inline { widget, .. }, shown: true }, _) if in_frame == place => {
                frame.render_widget(Image::new(widget), place);
            }
            _ => match &entry.coarse {
                Some(coarse) => copy(coarse, place, frame.buffer_mut()),
                None => return false,
            },
        }
        true
    }

    /// Call it before every frame. Returns what to write before the frame, and decides which pictures the frame draws
    /// sharp.
    pub fn prepare_frame(&mut self, now: Instant) -> FramePrelude {
        let encoded: Vec<(Slot<K>, Encoded)> = self.encoder.finished().collect();
        for (slot, encoded) in encoded {
            self.store(&slot, encoded);
        }
        let prelude = match self.protocol {
            Protocol::Kitty => {
                let clear = std::mem::take(&mut self.placeholders_broken);
                // Clearing the screen deletes a half-uploaded picture, and its further parts fail. So the picture is
                // finished before, and the next one begins after.
                let clears = std::mem::take(&mut self.invalidated) || clear;
                let bytes = if clears {
                    self.uploads.finish(&mut self.cache, &mut self.flow, now)
                } else {
                    self.uploads.send(&mut self.cache, &mut self.flow, now)
                };
                FramePrelude { bytes, clear, compress_placeholders: self.compresses_placeholders() }
            }
            Protocol::Sixel | Protocol::Iterm2 => FramePrelude {
                clear: self.inline.update(&mut self.cache, &mut self.flow, now),
                ..FramePrelude::default()
            },
            Protocol::HalfBlocks | Protocol::Off => FramePrelude::default(),
        };
        self.cache.evict();
        self.frame.fetch_add(1, Ordering::Relaxed);
        prelude
    }

    /// How long until the next frame is due even if no event comes; `None` if none is.
    pub fn time_until_work(&mut self, now: Instant) -> Option<Duration> {
        if self.inline.needs_clear(&self.cache) {
            return Some(Duration::ZERO);
        }
        let has_work = self.uploads.is_uploading() || self.cache.values().any(Entry::is_waiting);
        has_work.then(|| self.flow.time_until_available(now))
    }

    pub fn handle_reply(&mut self, reply: &LateReply) {
        match reply {
            LateReply::Name => self.flow.acknowledged(),
            LateReply::Graphics { error: None, .. } => {}
            // The terminal lost a part of the picture, or it will never accept it.
            LateReply::Graphics { id, .. } => {
                if let Some(entry) = self.cache.values_mut().find(|entry| entry.id == Some(*id)) {
                    entry.rejections += 1;
                    match entry.rejections {
                        ..MAX_REJECTIONS => drop(entry.hide()),
                        _ => (entry.sharp, entry.id) = (Sharp::Failed, None),
                    }
                }
            }
        }
    }

    /// How many replies are still to come; see [`super::session::Session::drain_replies`].
    pub fn pending_replies(&self) -> usize {
        self.flow.pending_replies()
    }

    /// Marks the area of a popup. Inline pictures under it are drawn in half-blocks, because they would cover it. kitty's
    /// pictures stay sharp, and their placeholders are drawn again.
    pub fn cover(&mut self, popup: Rect) {
        if self.popup != Some(popup) {
            self.uncover();
            (self.popup, self.placeholders_broken) = (Some(popup), self.compresses_placeholders());
        }
    }

    /// Removes the popup. Pictures become sharp again a few at a time.
    pub fn uncover(&mut self) {
        if self.popup.take().is_none() {
            return;
        }
        self.placeholders_broken = self.compresses_placeholders();
        self.cache.values_mut().for_each(|entry| entry.covered = false);
    }

    /// Sends visible pictures again, because the terminal may have lost them or may be another one.
    pub fn invalidate_all(&mut self) {
        self.uploads.invalidate();
        self.invalidated = true;
        self.flow.reset();
        self.cache.hide_all();
    }

    /// Sets the size of a character cell, which changes with the font. kitty scales its pictures itself.
    pub fn set_cell_size(&mut self, cell_size: CellSize) {
        if cell_size != self.cell_size && matches!(self.protocol, Protocol::Sixel | Protocol::Iterm2) {
            self.cell_size = cell_size;
            self.cache.clear();
        }
    }

    fn compresses_placeholders(&self) -> bool {
        self.protocol == Protocol::Kitty && !self.uploads.through_tmux
    }

    fn store(&mut self, slot: &Slot<K>, encoded: Encoded) {
        let Some(entry) = self.cache.get_mut(slot) else { return };
        match encoded {
            Encoded::Coarse(buffer) => entry.coarse = Some(buffer),
            Encoded::Sharp(data) => entry.sharp = Sharp::Ready { data, shown: false },
            Encoded::Skipped => entry.sharp = Sharp::Missing,
            Encoded::Failed => entry.sharp = Sharp::Failed,
        }
    }
}

/// Orders both versions of a picture.
fn order<K>(encoder: &Encoder<Slot<K>>, cell_size: CellSize, slot: &Slot<K>, entry: &mut Entry)
where
    K: Clone + Send + 'static,
{
    entry.sharp = Sharp::Encoding;
    let (picture, last_seen) = (entry.picture.clone(), entry.last_seen.clone());
    encoder.order(Job { slot: slot.clone(), picture, cells: entry.cells, cell_size, last_seen });
}

#[cfg(test)]
mod tests;
