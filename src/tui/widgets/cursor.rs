//! The cursor of a list or grid: which item it is at, and how far the list is scrolled.

use super::super::action::Action;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub at: usize,
    /// The first visible row.
    pub top: usize,
}

impl Cursor {
    /// Moves among `count` items in rows of `columns`, `rows` of them visible. False if the action is not a movement.
    pub fn act(&mut self, action: Action, count: usize, columns: usize, rows: usize) -> bool {
        let columns = columns.max(1);
        let page = rows.max(1) * columns;
        let to = match action {
            Action::Up => self.at.checked_sub(columns).unwrap_or(self.at),
            Action::Down => {
                let below = self.at + columns;
                // From the last but one row, even if the last row is shorter.
                if below < count || self.at / columns == count.saturating_sub(1) / columns { below } else { count }
            }
            Action::Left if columns > 1 => self.at.saturating_sub(1),
            Action::Right if columns > 1 => self.at + 1,
            Action::PageUp => self.at.saturating_sub(page),
            Action::PageDown => self.at + page,
            Action::First => 0,
            Action::Last => count,
            _ => return false,
        };
        let stays = action == Action::Down && self.at / columns == count.saturating_sub(1) / columns;
        self.at = if stays { self.at } else { to.min(count.saturating_sub(1)) };
        // A page scrolls, so that the cursor keeps its place on the screen.
        match action {
            Action::PageUp => self.top = self.top.saturating_sub(rows),
            Action::PageDown => self.top += rows,
            _ => {}
        }
        self.keep_in_sight(count, columns, rows);
        true
    }

    /// Scrolls and limits the cursor after the number of items or the room has changed.
    pub fn keep_in_sight(&mut self, count: usize, columns: usize, rows: usize) {
        let (columns, rows) = (columns.max(1), rows.max(1));
        self.at = self.at.min(count.saturating_sub(1));
        let row = self.at / columns;
        let last_top = count.div_ceil(columns).saturating_sub(rows);
        self.top = self.top.min(row).max((row + 1).saturating_sub(rows)).min(last_top);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_a_visible_item() {
        let moves = [
            Action::Down,
            Action::Right,
            Action::PageDown,
            Action::Last,
            Action::Up,
            Action::PageUp,
            Action::Left,
            Action::First,
        ];
        for count in [0, 1, 3, 7, 100] {
            for columns in [1, 3, 4] {
                for rows in [1, 2, 5] {
                    let mut cursor = Cursor::default();
                    for step in 0..200 {
                        assert!(columns == 1 || cursor.act(moves[step * 7 % moves.len()], count, columns, rows));
                        cursor.act(moves[step % moves.len()], count, columns, rows);
                        assert!(cursor.at < count.max(1), "{count} {columns} {rows}");
                        let row = cursor.at / columns;
                        assert!((cursor.top..cursor.top + rows).contains(&row), "{cursor:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_page_scrolls_whole() {
        let mut cursor = Cursor { at: 4, top: 0 };
        cursor.act(Action::PageDown, 100, 3, 4);
        assert_eq!(cursor, Cursor { at: 16, top: 4 });
        cursor.act(Action::PageUp, 100, 3, 4);
        assert_eq!(cursor, Cursor { at: 4, top: 0 });
        cursor.act(Action::PageDown, 14, 3, 4);
        assert_eq!(cursor, Cursor { at: 13, top: 1 });
    }

    #[test]
    fn down_reaches_a_shorter_last_row_and_stays_there() {
        let mut cursor = Cursor { at: 2, top: 0 };
        cursor.act(Action::Down, 4, 3, 5);
        assert_eq!(cursor.at, 3);
        cursor.act(Action::Down, 4, 3, 5);
        assert_eq!(cursor.at, 3);
    }
}
