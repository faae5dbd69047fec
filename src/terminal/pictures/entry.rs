//! One picture in one size, and how far it has come on its way to the terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbImage;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui_image::protocol::Protocol as InlineWidget;

/// A picture in one size.
pub(super) struct Entry {
    pub picture: Arc<RgbImage>,
    /// The cells that it fills.
    pub cells: Size,
    /// The picture in half-blocks.
    pub coarse: Option<Buffer>,
    pub sharp: Sharp,
    /// The id in kitty's protocol, while the terminal has the picture.
    pub id: Option<u32>,
    pub last_seen: LastSeen,
    /// The position among all drawn pictures; a smaller number means longer ago.
    pub order: u64,
    /// Whether a popup lies over it, so that it must stay coarse.
    pub covered: bool,
    /// How often the terminal rejected it.
    pub rejections: u8,
    /// Bytes that count as sent with the next frame, provided that the frame draws the picture.
    pub reserved: Option<usize>,
}

/// The sharp version of a picture.
pub(super) enum Sharp {
    /// Not ordered yet, or dropped because the picture was not visible.
    Missing,
    Encoding,
    Ready {
        data: SharpData,
        /// Whether the next frame may draw it.
        shown: bool,
    },
    /// It could not be encoded, or the terminal rejected it. The picture stays in half-blocks.
    Failed,
}

/// An encoded picture.
pub(super) enum SharpData {
    /// A PNG that is uploaded before it is drawn (kitty).
    Upload(Vec<u8>),
    /// An escape sequence that is part of the text (sixel, iTerm2), and its length.
    Inline { widget: InlineWidget, bytes: usize },
}

/// The frame that last drew a picture. Shared with the encoder, which skips pictures that are no longer visible.
#[derive(Clone)]
pub(super) struct LastSeen {
    frame: Arc<AtomicU64>,
    current_frame: Arc<AtomicU64>,
}

impl Entry {
    pub fn new(picture: Arc<RgbImage>, cells: Size, last_seen: LastSeen) -> Self {
        Self {
            picture,
            cells,
            coarse: None,
            sharp: Sharp::Missing,
            id: None,
            last_seen,
            order: 0,
            covered: false,
            rejections: 0,
            reserved: None,
        }
    }

    /// Whether it is visible and ready, but not sharp yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self.sharp, Sharp::Ready { shown: false, .. }) && self.last_seen.is_visible() && !self.covered
    }

    pub fn is_shown(&self) -> bool {
        matches!(self.sharp, Sharp::Ready { shown: true, .. })
    }

    /// Makes it coarse again. Returns whether it was sharp.
    pub fn hide(&mut self) -> bool {
        match &mut self.sharp {
            Sharp::Ready { shown, .. } => std::mem::take(shown),
            _ => false,
        }
    }

    /// The memory that it takes here, in bytes.
    pub fn bytes(&self) -> usize {
        let data = match &self.sharp {
            Sharp::Ready { data: SharpData::Upload(png), .. } => png.len(),
            Sharp::Ready { data: SharpData::Inline { bytes, .. }, .. } => *bytes,
            _ => 0,
        };
        self.picture.len() + data
    }
}

impl LastSeen {
    /// Marks the picture as drawn in the current frame.
    pub fn now(current_frame: &Arc<AtomicU64>) -> Self {
        let now = current_frame.load(Ordering::Relaxed);
        Self { frame: Arc::new(AtomicU64::new(now)), current_frame: current_frame.clone() }
    }

    pub fn update(&self) {
        self.frame.store(self.current_frame.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether the current frame has drawn it.
    pub fn is_visible(&self) -> bool {
        self.frames_ago() == 0
    }

    pub fn frames_ago(&self) -> u64 {
        self.current_frame.load(Ordering::Relaxed).saturating_sub(self.frame.load(Ordering::Relaxed))
    }
}
