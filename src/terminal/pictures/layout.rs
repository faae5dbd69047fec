//! Where a picture stands in its area.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use crate::terminal::cell_size::CellSize;
use crate::terminal::kitty;

/// The cells that a picture fills inside an area, given its size in pixels. Proportions are rounded to whole cells.
pub(super) fn fit((width, height): (u32, u32), area: Size, cell: CellSize) -> Size {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (cell_width, cell_height) = (f64::from(cell.width), f64::from(cell.height));
    let (columns, rows) = (area.width.min(kitty::MAX_CELLS), area.height.min(kitty::MAX_CELLS));
    let scale = (f64::from(columns) * cell_width / width).min(f64::from(rows) * cell_height / height);
    let cells = |pixels: f64, cell: f64, most: u16| ((pixels * scale / cell).round() as u16).clamp(1, most.max(1));
    Size::new(cells(width, cell_width, columns), cells(height, cell_height, rows))
}

/// A rectangle of this size in the middle of an area.
pub(super) fn centred(cells: Size, area: Rect) -> Rect {
    let x = area.x + (area.width.saturating_sub(cells.width)) / 2;
    let y = area.y + (area.height.saturating_sub(cells.height)) / 2;
    Rect::new(x, y, cells.width, cells.height)
}

/// Copies a buffer to a position in another one, and cuts off the cells outside.
pub(super) fn copy(from: &Buffer, place: Rect, to: &mut Buffer) {
    for (number, cell) in from.content.iter().enumerate() {
        let (x, y) = from.pos_of(number);
        if let Some(target) = to.cell_mut((place.x + x, place.y + y)) {
            *target = cell.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_to_the_nearest_cell() {
        let cell = CellSize { width: 8, height: 16 };
        assert_eq!(fit((100, 100), Size::new(24, 11), cell), Size::new(22, 11));
        assert_eq!(fit((200, 100), Size::new(24, 11), cell), Size::new(24, 6));
        assert_eq!(fit((1, 1000), Size::new(24, 11), cell), Size::new(1, 11));
        assert_eq!(fit((5000, 1), Size::new(400, 11), cell), Size::new(297, 1));
        assert_eq!(centred(Size::new(20, 11), Rect::new(2, 1, 24, 12)), Rect::new(4, 1, 20, 11));
    }
}
