//! Where the tiles of a panel lie in the images, and the input lines under them.

use super::super::conv::ConvShape;
use super::super::tile::{COLUMNS, PADDED};

/// Tiles side by side in one image.
#[derive(Clone, Copy, Default)]
pub struct Segment {
    pub image: usize,
    /// Row and first column, counted in tiles.
    pub down: usize,
    pub right: usize,
    pub count: usize,
    /// The first tile's index in the panel.
    pub at: usize,
}

/// A panel's tiles, grouped by image row.
pub struct Segments {
    all: [Segment; COLUMNS],
    count: usize,
}

impl Segments {
    pub fn new(tiles: std::ops::Range<usize>, shape: &ConvShape) -> Self {
        let (tile_rows, tile_columns) = (shape.height.div_ceil(2), shape.width.div_ceil(2));
        let mut segments = Self { all: [Segment::default(); COLUMNS], count: 0 };
        let mut tile = tiles.start;
        while tile < tiles.end {
            let (row, right) = (tile / tile_columns, tile % tile_columns);
            let count = (tile_columns - right).min(tiles.end - tile);
            segments.all[segments.count] =
                Segment { image: row / tile_rows, down: row % tile_rows, right, count, at: tile - tiles.start };
            segments.count += 1;
            tile += count;
        }
        segments
    }

    pub fn all(&self) -> &[Segment] {
        &self.all[..self.count]
    }
}

/// The input under up to 16 tiles of one line, from one pixel before the first tile to one after the last. Pixels
/// outside the line are 0; those after its last tile are arbitrary.
#[inline(always)]
pub fn line_under(plane: &[f32], line: usize, width: usize, tile: usize) -> [f32; 2 * PADDED + 2] {
    const LENGTH: usize = 2 * PADDED + 2;
    let mut pixels = [0f32; LENGTH];
    let first = 2 * tile;
    // A copy of constant length compiles to a few vector moves, one of variable length to a call. So copy too much
    // where possible, and clear the excess below.
    match (first.checked_sub(1), plane.get(line + first..line + first + LENGTH - 1)) {
        (None, Some(rest)) => pixels[1..].copy_from_slice(rest),
        (Some(before), Some(_)) if line + before + LENGTH <= plane.len() => {
            pixels.copy_from_slice(&plane[line + before..][..LENGTH]);
        }
        _ => {
            let skip = usize::from(first == 0);
            let from = line + first + skip - 1;
            let rest = &plane[from..plane.len().min(from + LENGTH - skip)];
            pixels[skip..][..rest.len()].copy_from_slice(rest);
        }
    }
    // Only the two pixels after the line's end are ever used.
    let end = width + 1 - first;
    for pixel in pixels.iter_mut().skip(end).take(2) {
        *pixel = 0.0;
    }
    pixels
}
