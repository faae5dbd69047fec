//! Ids for uploaded pictures.

use super::uploaded;

/// Hands out ids. Behind tmux, processes share a terminal, so each starts at a random prefix.
pub struct Ids {
    /// The upper bytes of every id.
    prefix: u32,
    next: u32,
    first: u32,
    last: u32,
}

impl Ids {
    /// With 16 million colours an id has four bytes: one is a mark of the placeholder, three are its colour. With fewer
    /// colours the colour is an index of one byte.
    pub fn new(true_colour: bool) -> Self {
        use std::hash::{BuildHasher, Hasher};
        let random = std::hash::RandomState::new().build_hasher().finish() as u32;
        // No byte may be zero: without a second and third byte, the colour would be read as an index.
        let high = (random >> 8 | 1) & 0xff;
        let second = (random >> 16 | 1) & 0xff;
        let (prefix, first, last) =
            if true_colour { (high << 24 | second << 16, 1, 0xffff) } else { (high << 24, 16, 0xff) };
        Self { prefix, next: first, first, last }
    }

    /// An id that no uploaded picture has.
    pub fn allocate(&mut self) -> u32 {
        loop {
            let id = self.prefix | self.next;
            self.next = if self.next == self.last { self.first } else { self.next + 1 };
            let uploaded = uploaded();
            if !uploaded.contains_key(&id) || uploaded.len() > (self.last - self.first) as usize {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_use_are_skipped() {
        for (true_colour, shape) in [(true, 0x0001_0000), (false, 0)] {
            let mut ids = Ids::new(true_colour);
            let first = ids.allocate();
            assert!(first >> 24 != 0 && (first & 0x00ff_0000 != 0) == (shape != 0), "{first:x}");
            uploaded().insert(first, false);
            let others: Vec<u32> = (0..if true_colour { 100_000 } else { 1000 }).map(|_| ids.allocate()).collect();
            assert!(!others.contains(&first));
            assert!(others.iter().all(|id| id >> 24 == first >> 24 && *id & 0xff_ffff >= 16 || true_colour));
            uploaded().remove(&first);
        }
    }
}
