//! Contact sheets: rows of captioned pictures under headings.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::text::Font;
pub use super::text::wrap;

/// One row of pictures.
pub struct Row {
    pub heading: String,
    pub pictures: Vec<Captioned>,
}

/// A picture and the text below it.
pub struct Captioned {
    pub picture: RgbImage,
    pub caption: String,
}

const BACKGROUND: Rgb<u8> = Rgb([246, 244, 240]);
const TEXT_COLOUR: Rgb<u8> = Rgb([38, 35, 32]);
const CAPTION_COLOUR: Rgb<u8> = Rgb([98, 92, 86]);
/// Pixels between pictures.
const GAP: u32 = 16;
/// Pixels around the sheet.
const MARGIN: u32 = 24;

/// Draws the rows below each other. Each picture is scaled to fit a square of `side` pixels.
pub fn draw(rows: &[Row], side: u32) -> RgbImage {
    let side = side.max(16);
    let columns = rows.iter().map(|row| row.pictures.len()).max().unwrap_or(0).max(1) as u32;
    let width = 2 * MARGIN + columns * side + (columns - 1) * GAP;
    let layouts: Vec<Layout> = rows.iter().map(|row| Layout::of(row, side, width - 2 * MARGIN)).collect();
    let height = 2 * MARGIN
        + layouts.iter().map(|layout| layout.height).sum::<u32>()
        + GAP * (rows.len() as u32).saturating_sub(1);

    let mut sheet = RgbImage::from_pixel(width, height, BACKGROUND);
    let mut top = MARGIN;
    for (row, layout) in rows.iter().zip(&layouts) {
        let mut y = top;
        for line in &layout.heading {
            Font::HEADING.write(&mut sheet, (MARGIN, y), line, TEXT_COLOUR);
            y += Font::HEADING.line_height();
        }
        y += GAP / 2;
        for (column, (item, caption)) in row.pictures.iter().zip(&layout.captions).enumerate() {
            let left = MARGIN + column as u32 * (side + GAP);
            let picture = fit(&item.picture, side);
            let (dx, dy) = ((side - picture.width()) / 2, (side - picture.height()) / 2);
            imageops::replace(&mut sheet, &picture, i64::from(left + dx), i64::from(y + dy));
            for (number, line) in caption.iter().enumerate() {
                let line_top = y + side + GAP / 2 + number as u32 * Font::CAPTION.line_height();
                Font::CAPTION.write(&mut sheet, (left, line_top), line, CAPTION_COLOUR);
            }
        }
        top += layout.height + GAP;
    }
    sheet
}

/// Pictures side by side without text, for terminals, which print the captions themselves. `gap` transparent pixels
/// separate them.
pub fn strip(pictures: &[&RgbImage], side: u32, gap: u32) -> RgbaImage {
    let count = pictures.len().max(1) as u32;
    let mut strip = RgbaImage::from_pixel(count * side + (count - 1) * gap, side, Rgba([0; 4]));
    for (number, picture) in pictures.iter().enumerate() {
        let picture = image::DynamicImage::ImageRgb8(fit(picture, side)).into_rgba8();
        let left = number as u32 * (side + gap) + (side - picture.width()) / 2;
        imageops::replace(&mut strip, &picture, i64::from(left), i64::from((side - picture.height()) / 2));
    }
    strip
}

/// The wrapped texts of a row, and the height that they need.
struct Layout {
    heading: Vec<String>,
    captions: Vec<Vec<String>>,
    height: u32,
}

impl Layout {
    fn of(row: &Row, side: u32, width: u32) -> Self {
        let heading = wrap(&row.heading, Font::HEADING.columns(width));
        let captions: Vec<Vec<String>> =
            row.pictures.iter().map(|item| wrap(&item.caption, Font::CAPTION.columns(side))).collect();
        let lines = captions.iter().map(Vec::len).max().unwrap_or(0) as u32;
        let height = heading.len() as u32 * Font::HEADING.line_height()
            + GAP / 2
            + side
            + GAP / 2
            + lines * Font::CAPTION.line_height();
        Self { heading, captions, height }
    }
}

/// Scales a picture so that its longer side is `side`.
fn fit(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height).max(1);
    let scale = |length: u32| ((u64::from(length) * u64::from(side)).div_ceil(u64::from(longer)) as u32).max(1);
    if (scale(width), scale(height)) == (width, height) {
        return picture.clone();
    }
    imageops::resize(picture, scale(width), scale(height), FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_space_for_every_row_and_caption() {
        let picture = RgbImage::from_pixel(64, 32, Rgb([200, 30, 30]));
        let item = |caption: &str| Captioned { picture: picture.clone(), caption: caption.to_owned() };
        let rows = [
            Row {
                heading: "one".to_owned(),
                pictures: vec![item("short"), item("a caption of several lines, wrapped")],
            },
            Row { heading: "two".to_owned(), pictures: vec![item("")] },
        ];
        let sheet = draw(&rows, 128);
        assert_eq!(sheet.width(), 2 * MARGIN + 2 * 128 + GAP);
        // The picture is half as high as wide: the top quarter of its square is background.
        let first_square = MARGIN + Font::HEADING.line_height() + GAP / 2;
        assert_eq!(sheet.get_pixel(MARGIN + 64, first_square + 8), &BACKGROUND);
        assert_eq!(sheet.get_pixel(MARGIN + 64, first_square + 64), &Rgb([200, 30, 30]));
    }

    #[test]
    fn an_empty_sheet_is_background() {
        assert!(draw(&[], 128).pixels().all(|pixel| *pixel == BACKGROUND));
    }
}
