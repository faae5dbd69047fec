//! The size of a character cell.

/// The size of a character cell in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSize {
    pub width: u16,
    pub height: u16,
}

impl CellSize {
    /// Assumed if the terminal does not report a size. It has the usual proportions.
    pub const DEFAULT: Self = Self { width: 8, height: 16 };

    /// Rejects a size that no font has: some terminals report nonsense.
    pub fn plausible(width: u16, height: u16) -> Option<Self> {
        ((2..=128).contains(&width) && (4..=256).contains(&height)).then_some(Self { width, height })
    }

    /// The cell size of a window, from its size in pixels and in cells. `None` if one of them is unknown (0).
    pub fn of_window((width, height): (u16, u16), columns: u16, rows: u16) -> Option<Self> {
        Self::plausible(width.checked_div(columns)?, height.checked_div(rows)?)
    }
}
