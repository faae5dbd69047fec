//! Pictures that are part of the text: sixel and iTerm2.

use std::hash::Hash;
use std::time::Instant;

use super::cache::Cache;
use super::entry::{Entry, Sharp, SharpData};
use crate::terminal::flow_control::FlowControl;

/// Decides which pictures the next frame draws sharp.
pub(super) struct InlinePictures {
    /// Whether text leaves the pictures below it visible, so that removing one takes clearing the screen.
    text_keeps_pictures: bool,
    /// Whether a picture is on the screen that should not be.
    has_leftovers: bool,
}

impl InlinePictures {
    pub fn new(text_keeps_pictures: bool) -> Self {
        Self { text_keeps_pictures, has_leftovers: false }
    }

    /// Makes a picture coarse, because it is no longer visible or a popup covers it.
    pub fn hide(&mut self, entry: &mut Entry) {
        self.has_leftovers |= entry.hide();
    }

    /// Whether the screen has to be cleared, even if no event comes.
    pub fn needs_clear<K: Hash + Eq + Clone>(&self, cache: &Cache<K>) -> bool {
        let is_leftover = |entry: &Entry| entry.is_shown() && !entry.last_seen.is_visible();
        self.text_keeps_pictures && (self.has_leftovers || cache.values().any(is_leftover))
    }

    /// Makes as many waiting pictures sharp as may be sent now. Hides pictures that the last frame did not draw, so that
    /// they are not all sent at once when they reappear. Returns whether the screen has to be cleared.
    pub fn update<K: Hash + Eq + Clone>(&mut self, cache: &mut Cache<K>, flow: &mut FlowControl, now: Instant) -> bool {
        // The last frame did not draw these after all, so nothing was sent and no reply will come.
        for bytes in cache.values_mut().filter_map(|entry| entry.reserved.take()) {
            flow.cancel(bytes);
        }
        for entry in cache.values_mut().filter(|entry| !entry.last_seen.is_visible()) {
            self.hide(entry);
        }
        let clear = std::mem::take(&mut self.has_leftovers) && self.text_keeps_pictures;
        if clear {
            cache.hide_all();
        }
        while flow.available(now) > 0 {
            let waiting = cache.values_mut().filter(|entry| entry.is_waiting());
            let Some(next) = waiting.min_by_key(|entry| entry.order) else { break };
            if let Sharp::Ready { data: SharpData::Inline { bytes, .. }, shown } = &mut next.sharp {
                *shown = true;
                flow.sent(*bytes, now);
                next.reserved = Some(*bytes);
            }
        }
        clear
    }
}
