//! Pictures that are uploaded before they are drawn: kitty's protocol.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Instant;

use super::cache::{Cache, Slot};
use super::entry::{Entry, Sharp, SharpData};
use crate::terminal::flow_control::{FlowControl, SLICE};
use crate::terminal::kitty::{self, Ids};

/// Memory that decoded pictures may take in the terminal, in bytes; kitty keeps 320 MB for a window.
const MAX_TERMINAL_BYTES: usize = 96 << 20;
/// How many pictures the terminal may keep: with 256 colours there are few more ids.
pub(super) const MAX_TERMINAL_PICTURES: usize = 200;

pub(super) struct Uploads<K> {
    pub through_tmux: bool,
    /// Asks for an acknowledgement; empty if the terminal gives none.
    acknowledgement_query: Vec<u8>,
    ids: Ids,
    current: Option<Upload<K>>,
}

struct Upload<K> {
    slot: Slot<K>,
    /// The escape sequences that are still to be sent.
    parts: VecDeque<Vec<u8>>,
    /// The first parts may have gone to another terminal, so the picture has to be uploaded again.
    restart: bool,
}

impl<K: Hash + Eq + Clone> Uploads<K> {
    pub fn new(through_tmux: bool, acknowledgement_query: Vec<u8>, ids: Ids) -> Self {
        Self { through_tmux, acknowledgement_query, ids, current: None }
    }

    pub fn is_uploading(&self) -> bool {
        self.current.is_some()
    }

    /// Restarts the current upload later, because the terminal may have lost the parts that were sent.
    pub fn invalidate(&mut self) {
        if let Some(upload) = &mut self.current {
            upload.restart = true;
        }
    }

    /// As many parts of the waiting pictures as may be sent now, with a query after every slice.
    pub fn send(&mut self, cache: &mut Cache<K>, flow: &mut FlowControl, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while flow.available(now) > 0 {
            let mut slice = Vec::new();
            while slice.len() < SLICE {
                if self.current.is_none() {
                    let Some(next) = cache.next_waiting() else { break };
                    // No other graphics may be written between the parts of a picture.
                    slice.extend(self.delete_excess(cache));
                    self.current = self.begin(cache, next);
                }
                let Some(upload) = &mut self.current else { break };
                slice.extend(upload.parts.pop_front().unwrap_or_default());
                if upload.parts.is_empty() {
                    self.complete(cache);
                }
            }
            if slice.is_empty() {
                break;
            }
            slice.extend_from_slice(&self.acknowledgement_query);
            flow.sent(slice.len(), now);
            bytes.extend(slice);
        }
        bytes
    }

    /// The remaining parts of the current picture.
    pub fn finish(&mut self, cache: &mut Cache<K>, flow: &mut FlowControl, now: Instant) -> Vec<u8> {
        let Some(upload) = &mut self.current else { return Vec::new() };
        let mut bytes: Vec<u8> = upload.parts.drain(..).flatten().collect();
        self.complete(cache);
        bytes.extend_from_slice(&self.acknowledgement_query);
        flow.sent(bytes.len(), now);
        bytes
    }

    fn begin(&mut self, cache: &mut Cache<K>, slot: Slot<K>) -> Option<Upload<K>> {
        let entry = cache.get_mut(&slot)?;
        let Sharp::Ready { data: SharpData::Upload(png), .. } = &entry.sharp else { return None };
        let id = *entry.id.get_or_insert_with(|| self.ids.allocate());
        let parts = kitty::upload(id, entry.cells, png, self.through_tmux).into();
        Some(Upload { slot, parts, restart: false })
    }

    /// Ends the current upload after its last part: text that follows can show the picture.
    fn complete(&mut self, cache: &mut Cache<K>) {
        let Some(Upload { slot, restart: false, .. }) = self.current.take() else { return };
        if let Some(Sharp::Ready { shown, .. }) = cache.get_mut(&slot).map(|entry| &mut entry.sharp) {
            *shown = true;
        }
    }

    /// Deletes invisible pictures from the terminal while it has too many, the ones drawn longest ago first.
    fn delete_excess(&self, cache: &mut Cache<K>) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let kept = || cache.values().filter(|entry| entry.id.is_some());
            // The terminal keeps four bytes for each pixel; the picture here has three.
            let memory: usize = kept().map(|entry| 4 * entry.picture.len() / 3).sum();
            if memory <= MAX_TERMINAL_BYTES && kept().count() < MAX_TERMINAL_PICTURES {
                return bytes;
            }
            let is_invisible = |entry: &Entry| entry.id.is_some() && !entry.last_seen.is_visible();
            let invisible = cache.values_mut().filter(|entry| is_invisible(entry));
            let Some(oldest) = invisible.min_by_key(|entry| entry.order) else { return bytes };
            oldest.hide();
            bytes.extend(oldest.id.take().map(|id| kitty::delete(id, self.through_tmux)).unwrap_or_default());
        }
    }
}
