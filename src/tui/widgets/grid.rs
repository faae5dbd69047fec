//! A grid of tiles, each a picture with a line below it.

use ratatui::layout::{Constraint, Layout, Rect};

use super::cursor::Cursor;

/// The preferred and the smallest width of a tile, with the gap beside it.
const WIDTH: (u16, u16) = (19, 16);
/// Narrower tiles are used to have so many columns.
const PREFERRED_COLUMNS: u16 = 3;

/// How many tiles an area holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    area: Rect,
    /// Cells of a tile: its square picture, the caption below it, and the gap beside it.
    tile: (u16, u16),
    /// Rows of a picture.
    picture: u16,
    pub columns: usize,
    pub rows: usize,
}

/// The place of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The item's index.
    pub at: usize,
    pub is_chosen: bool,
    pub picture: Rect,
    pub caption: Rect,
}

impl Grid {
    pub fn new(area: Rect) -> Self {
        let (should, must) = WIDTH;
        let columns = (area.width / should).max((area.width / must).min(PREFERRED_COLUMNS)).max(1);
        let width = area.width / columns;
        // The rows of a square with these columns, for cells of 8 by 17 pixels.
        let picture = ((width.saturating_sub(1)) * 8 + 8) / 17;
        let rows = (area.height / (picture + 1)).max(1);
        let height = (area.height / rows).min(picture + 2);
        Self { area, tile: (width, height), picture, columns: columns.into(), rows: rows.into() }
    }

    /// The tiles of the visible items among `count`.
    pub fn tiles(self, mut cursor: Cursor, count: usize) -> impl Iterator<Item = Tile> {
        cursor.keep_in_sight(count, self.columns, self.rows);
        let first = cursor.top * self.columns;
        (first..count.min(first + self.rows * self.columns)).map(move |at| {
            let (row, column) = ((at - first) / self.columns, (at - first) % self.columns);
            let (width, height) = self.tile;
            let (x, y) = (self.area.x + column as u16 * width, self.area.y + row as u16 * height);
            let tile = Rect::new(x, y, width.saturating_sub(1), height);
            let [picture, caption, _] =
                Layout::vertical([Constraint::Max(self.picture), Constraint::Length(1), Constraint::Fill(1)])
                    .areas(tile);
            Tile { at, is_chosen: at == cursor.at, picture, caption }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_in_the_area_and_one_is_chosen() {
        for (width, height) in [(10, 5), (48, 20), (140, 40)] {
            let area = Rect::new(1, 1, width, height);
            let grid = Grid::new(area);
            for at in 0..30 {
                let tiles: Vec<Tile> = grid.tiles(Cursor { at, top: 0 }, 30).collect();
                assert!(tiles.len() <= grid.columns * grid.rows);
                assert_eq!(tiles.iter().filter(|tile| tile.is_chosen).map(|tile| tile.at).collect::<Vec<_>>(), [at]);
                assert!(tiles.iter().all(|tile| area.intersection(tile.picture) == tile.picture));
            }
        }
        assert_eq!(Grid::new(Rect::new(0, 0, 80, 30)).tiles(Cursor::default(), 0).count(), 0);
    }
}
