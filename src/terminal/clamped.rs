//! A backend that draws at most as many cells as a screen can have: a window can claim 65535 × 65535 of them, for which
//! there is no memory.

use std::io;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::frame::FrameBuffer;

/// The most columns and rows that are drawn: more than an 8K screen shows in a font of 4 × 8 pixels.
const LARGEST: (u16, u16) = (2000, 600);

/// A size, cut to what is drawn.
pub(super) fn clamp((columns, rows): (u16, u16)) -> (u16, u16) {
    (columns.min(LARGEST.0), rows.min(LARGEST.1))
}

/// Writes to a [`FrameBuffer`] and reports a clamped size.
pub(super) struct ClampedBackend(CrosstermBackend<FrameBuffer>);

impl ClampedBackend {
    pub(super) fn new(frame: FrameBuffer) -> Self {
        Self(CrosstermBackend::new(frame))
    }
}

impl Backend for ClampedBackend {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        self.0.draw(content)
    }

    fn append_lines(&mut self, count: u16) -> io::Result<()> {
        self.0.append_lines(count)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.0.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.0.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.0.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.0.size().map(clamped)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = self.0.window_size()?;
        Ok(WindowSize { columns_rows: clamped(size.columns_rows), ..size })
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.0)
    }
}

fn clamped(size: Size) -> Size {
    clamp((size.width, size.height)).into()
}
