//! The last few results of something that takes long, by the hash of what they were made from.

/// Forgets what was not asked for longest.
pub(super) struct Recent<T> {
    most: usize,
    /// The newest last.
    entries: Vec<(blake3::Hash, T)>,
}

impl<T: Clone> Recent<T> {
    pub fn new(most: usize) -> Self {
        Self { most, entries: Vec::new() }
    }

    pub fn get(&mut self, key: &blake3::Hash) -> Option<T> {
        let at = self.entries.iter().position(|(other, _)| other == key)?;
        let entry = self.entries.remove(at);
        let value = entry.1.clone();
        self.entries.push(entry);
        Some(value)
    }

    pub fn put(&mut self, key: blake3::Hash, value: T) {
        self.entries.retain(|(other, _)| *other != key);
        self.entries.push((key, value));
        let excess = self.entries.len().saturating_sub(self.most);
        self.entries.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let key = |name: &str| blake3::hash(name.as_bytes());
        let mut recent = Recent::new(2);
        recent.put(key("a"), 1);
        recent.put(key("b"), 2);
        assert_eq!(recent.get(&key("a")), Some(1));
        recent.put(key("c"), 3);
        assert_eq!((recent.get(&key("a")), recent.get(&key("b")), recent.get(&key("c"))), (Some(1), None, Some(3)));
        recent.put(key("c"), 4);
        assert_eq!((recent.get(&key("a")), recent.get(&key("c"))), (Some(1), Some(4)));
    }
}
