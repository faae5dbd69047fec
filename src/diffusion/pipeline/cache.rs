//! The last results of encoding prompts and references, so that the next generation with the same ones skips it.

use image::RgbImage;

use crate::diffusion::adapter::ImageTokens;
use crate::diffusion::unet::Conditioning;
use crate::studio::settings::LongPrompt;

/// Results by the hash of their inputs.
pub(super) struct Cache {
    pub conditioning: RecentlyUsed<EncodedPrompts>,
    pub tokens: RecentlyUsed<ImageTokens>,
}

/// A conditioning, and the ends of prompts that did not fit.
#[derive(Clone)]
pub(super) struct EncodedPrompts {
    pub conditioning: Conditioning,
    pub dropped: Vec<String>,
}

impl Cache {
    /// A conditioning of the largest checkpoints takes tens of megabytes, image tokens a few kilobytes.
    pub fn new() -> Self {
        Self { conditioning: RecentlyUsed::new(4), tokens: RecentlyUsed::new(32) }
    }
}

/// A reference's size and pixels.
pub(super) fn hash_of_picture(picture: &RgbImage) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&picture.width().to_le_bytes());
    hasher.update(picture.as_raw());
    hasher.finalize()
}

/// Everything that a conditioning is made from.
pub(super) fn hash_of_inputs(prompts: &[&str], long: LongPrompt, reference: Option<&blake3::Hash>) -> blake3::Hash {
    blake3::hash(format!("{prompts:?} {long:?} {reference:?}").as_bytes())
}

/// A cache of at most `capacity` values that drops the least recently used one.
pub(super) struct RecentlyUsed<T> {
    capacity: usize,
    /// The most recently used last.
    entries: Vec<(blake3::Hash, T)>,
}

impl<T: Clone> RecentlyUsed<T> {
    fn new(capacity: usize) -> Self {
        Self { capacity, entries: Vec::new() }
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
        let excess = self.entries.len().saturating_sub(self.capacity);
        self.entries.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_value_is_dropped() {
        let key = |name: &str| blake3::hash(name.as_bytes());
        let mut recent = RecentlyUsed::new(2);
        recent.put(key("a"), 1);
        recent.put(key("b"), 2);
        assert_eq!(recent.get(&key("a")), Some(1));
        recent.put(key("c"), 3);
        assert_eq!((recent.get(&key("a")), recent.get(&key("b")), recent.get(&key("c"))), (Some(1), None, Some(3)));
        recent.put(key("c"), 4);
        assert_eq!((recent.get(&key("a")), recent.get(&key("c"))), (Some(1), Some(4)));
    }
}
