//! One frame on its way to the terminal.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is written before a frame, and how the frame is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FramePrelude {
    pub bytes: Vec<u8>,
    /// Clears the screen before the frame, to remove pictures that text does not overwrite.
    pub clear: bool,
    /// Shortens rows of kitty placeholders; see [`super::kitty::compress_placeholders`].
    pub compress_placeholders: bool,
}

/// Collects the bytes of a frame until it is complete. Clones share the bytes.
#[derive(Clone, Default)]
pub(super) struct FrameBuffer(Arc<Mutex<Vec<u8>>>);

impl FrameBuffer {
    /// A byte vector is consistent even if a thread panicked while it held the lock.
    pub(super) fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: the session writes the frame once it is complete.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether a frame changes no cell. ratatui ends even such a frame with sequences for colours and modes.
pub(super) fn draws_nothing(frame: &[u8]) -> bool {
    let mut rest = frame;
    while let Some(sequence) = rest.strip_prefix(b"\x1b[") {
        let Some(end) = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { return false };
        if !matches!(sequence[end], b'm' | b'h' | b'l') || sequence.starts_with(b"?25h") {
            return false;
        }
        rest = &sequence[end + 1..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::draws_nothing;

    #[test]
    fn a_frame_without_a_cell_draws_nothing() {
        let end = "\x1b[39m\x1b[49m\x1b[59m\x1b[0m\x1b[?25l\x1b[?2026l";
        let draws = |middle: &str| !draws_nothing(format!("\x1b[?2026h{middle}{end}").as_bytes());
        assert!(!draws(""));
        for middle in ["\x1b[2;3Hx", "x", "\x1b[2J", "\x1b_Ga=T\x1b\\", "\x1b[?25h", "\x1b["] {
            assert!(draws(middle), "{middle:?}");
        }
    }
}
