//! A grid of tiles, each a picture with a line below it.

use ratatui::layout::{Constraint, Layout, Rect};

use super::cursor::Cursor;

/// Cells of a tile, its caption and the gap beside it included.
const TILE: (u16, u16) = (22, 11);

/// How many tiles an area holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    area: Rect,
    pub columns: usize,
    pub rows: usize,
}

/// The place of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The thing's number.
    pub at: usize,
    pub is_chosen: bool,
    pub picture: Rect,
    pub caption: Rect,
}

impl Grid {
    pub fn new(area: Rect) -> Self {
        Self { area, columns: (area.width / TILE.0).max(1).into(), rows: (area.height / TILE.1).max(1).into() }
    }

    /// The places of those in sight among `count` things.
    pub fn tiles(self, mut cursor: Cursor, count: usize) -> impl Iterator<Item = Tile> {
        cursor.keep_in_sight(count, self.columns, self.rows);
        let first = cursor.top * self.columns;
        (first..count.min(first + self.rows * self.columns)).map(move |at| {
            let (row, column) = ((at - first) / self.columns, (at - first) % self.columns);
            let (x, y) = (self.area.x + column as u16 * TILE.0, self.area.y + row as u16 * TILE.1);
            let tile = Rect::new(x, y, TILE.0 - 1, TILE.1).intersection(self.area);
            let [picture, caption] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(tile);
            Tile { at, is_chosen: at == cursor.at, picture, caption }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_in_the_area_and_one_of_them_is_chosen() {
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
