//! Searches bytes for many patterns at once. ASCII letters match in either case.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, Read};

/// How much is read at once.
const CHUNK: usize = 1 << 20;
/// A pattern is found by its first bytes.
const START: usize = 4;

pub(super) struct Needles {
    patterns: Vec<Vec<u8>>,
    /// The patterns with each start.
    starts: HashMap<u32, Vec<usize>>,
    /// A bit for each start's hash, to pass over most positions quickly.
    bits: Vec<u64>,
    longest: usize,
}

impl Needles {
    /// Patterns shorter than four bytes are never found.
    pub fn new<'p>(patterns: impl Iterator<Item = &'p [u8]>) -> Self {
        let patterns: Vec<Vec<u8>> = patterns.map(<[u8]>::to_ascii_lowercase).collect();
        let mut starts: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut bits = vec![0u64; 1 << 10];
        for (index, pattern) in patterns.iter().enumerate() {
            let Some(start) = start(pattern) else { continue };
            starts.entry(start).or_default().push(index);
            let bit = bit(start);
            bits[bit / 64] |= 1 << (bit % 64);
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        Self { patterns, starts, bits, longest }
    }

    /// Reads everything, adds the indices of the patterns in it to `found`, and returns how many bytes it read.
    pub fn search(&self, from: &mut impl Read, found: &mut BTreeSet<usize>) -> io::Result<u64> {
        let (mut buffer, mut filled, mut total) = (vec![0; CHUNK + self.longest], 0, 0u64);
        loop {
            let read = match from.read(&mut buffer[filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Ok(total);
            }
            buffer[filled..filled + read].make_ascii_lowercase();
            total += read as u64;
            filled += read;
            self.scan(&buffer[..filled], found);
            // A pattern may begin in this chunk and end in the next.
            let kept = filled.min(self.longest.saturating_sub(1));
            buffer.copy_within(filled - kept..filled, 0);
            filled = kept;
        }
    }

    fn scan(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        for (position, window) in bytes.windows(START).enumerate() {
            let Some(start) = start(window) else { continue };
            let bit = bit(start);
            if self.bits[bit / 64] & (1 << (bit % 64)) == 0 {
                continue;
            }
            for &index in self.starts.get(&start).into_iter().flatten() {
                if bytes[position..].starts_with(&self.patterns[index]) {
                    found.insert(index);
                }
            }
        }
    }
}

fn start(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<START>().map(|start| u32::from_le_bytes(*start))
}

/// The place of a start among the bits: Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
fn bit(start: u32) -> usize {
    (start.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], text: &[u8]) -> Vec<usize> {
        let needles = Needles::new(patterns.iter().map(|pattern| pattern.as_bytes()));
        let mut found = BTreeSet::new();
        assert_eq!(needles.search(&mut &text[..], &mut found).unwrap(), text.len() as u64);
        found.into_iter().collect()
    }

    #[test]
    fn patterns_are_found_anywhere_and_in_any_case() {
        let patterns = ["quuxberg", "quux-0001", "absent", "abc"];
        assert_eq!(found(&patterns, b"the QuuxBerg"), [0]);
        assert_eq!(found(&patterns, b"quux-0001quuxberg abc"), [0, 1]);
        assert_eq!(found(&patterns, b"quuxber"), [] as [usize; 0]);
        assert_eq!(found(&[], b"text"), [] as [usize; 0]);
        // Around the border of two chunks.
        for shift in 0..12 {
            let mut text = vec![b'q'; CHUNK - shift];
            text.extend(b"quuxberg and more");
            assert_eq!(found(&patterns, &text), [0], "{shift}");
        }
    }
}
