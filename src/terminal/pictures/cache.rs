//! All pictures that are kept in memory.

use std::collections::HashMap;
use std::collections::hash_map::{Values, ValuesMut};
use std::hash::Hash;

use ratatui::layout::Size;

use super::entry::Entry;

/// A picture's key, and the area that was asked for: the same picture may be shown in several sizes.
pub(super) type Slot<K> = (K, Size);

/// Memory for pictures and their encoded data, in bytes.
const MAX_BYTES: usize = 128 << 20;

pub(super) struct Cache<K> {
    entries: HashMap<Slot<K>, Entry>,
}

impl<K: Hash + Eq + Clone> Cache<K> {
    pub fn new() -> Self {
        Self { entries: HashMap::new() }
    }

    pub fn contains(&self, slot: &Slot<K>) -> bool {
        self.entries.contains_key(slot)
    }

    #[cfg(test)]
    pub fn get(&self, slot: &Slot<K>) -> Option<&Entry> {
        self.entries.get(slot)
    }

    pub fn get_mut(&mut self, slot: &Slot<K>) -> Option<&mut Entry> {
        self.entries.get_mut(slot)
    }

    pub fn insert(&mut self, slot: Slot<K>, entry: Entry) {
        self.entries.insert(slot, entry);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn values(&self) -> Values<'_, Slot<K>, Entry> {
        self.entries.values()
    }

    pub fn values_mut(&mut self) -> ValuesMut<'_, Slot<K>, Entry> {
        self.entries.values_mut()
    }

    /// The waiting picture that was drawn first.
    pub fn next_waiting(&self) -> Option<Slot<K>> {
        let waiting = self.entries.iter().filter(|(_, entry)| entry.is_waiting());
        waiting.min_by_key(|(_, entry)| entry.order).map(|(slot, _)| slot.clone())
    }

    /// Makes all pictures coarse again.
    pub fn hide_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.hide();
        }
    }

    /// Removes the pictures that were drawn longest ago while there are too many.
    pub fn evict(&mut self) {
        loop {
            let bytes: usize = self.entries.values().map(Entry::bytes).sum();
            if bytes <= MAX_BYTES {
                return;
            }
            // A picture that the terminal keeps is deleted there first.
            let removable = |entry: &Entry| entry.last_seen.frames_ago() > 2 && entry.id.is_none();
            let candidates = self.entries.iter().filter(|(_, entry)| removable(entry));
            let Some(oldest) = candidates.min_by_key(|(_, entry)| entry.order).map(|(slot, _)| slot.clone()) else {
                return;
            };
            self.entries.remove(&oldest);
        }
    }
}
