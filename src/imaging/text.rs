//! Draws text on pictures, in a small embedded bitmap font.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

/// The font in one weight and height.
#[derive(Clone, Copy)]
pub(super) struct Font {
    weight: FontWeight,
    height: RasterHeight,
}

impl Font {
    pub const CAPTION: Self = Self { weight: FontWeight::Regular, height: RasterHeight::Size16 };
    pub const HEADING: Self = Self { weight: FontWeight::Bold, height: RasterHeight::Size20 };

    /// The distance from one line to the next, in pixels.
    pub fn line_height(self) -> u32 {
        self.height.val() as u32 + 2
    }

    /// How many characters fit into `width` pixels.
    pub fn columns(self, width: u32) -> usize {
        width as usize / get_raster_width(self.weight, self.height)
    }

    /// Draws one line from its top left corner. Text outside the picture is cut off.
    pub fn write(self, picture: &mut RgbImage, (left, top): (u32, u32), line: &str, ink: Rgb<u8>) {
        let mut x = left;
        for character in line.chars() {
            let glyph = self.glyph(character);
            for (row, pixels) in glyph.rows().enumerate() {
                for (column, &coverage) in pixels.iter().enumerate() {
                    if let Some(pixel) = picture.get_pixel_mut_checked(x + column as u32, top + row as u32) {
                        *pixel = mix(*pixel, ink, coverage);
                    }
                }
            }
            x += glyph.width() as u32;
        }
    }

    fn glyph(self, character: char) -> RasterizedChar {
        get_raster(substitute(character), self.weight, self.height)
            .or_else(|| get_raster('?', self.weight, self.height))
            .expect("the font's basic Latin is compiled in")
    }
}

/// Breaks a text into lines of at most `width` characters, between words if possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.len() <= width => {
                    line.push(' ');
                    line.extend(word.drain(..));
                }
                _ => {
                    let rest = word.split_off(word.len().min(width));
                    lines.push(std::mem::replace(&mut word, rest).into_iter().collect());
                }
            }
        }
    }
    lines
}

/// Replaces a few characters that the font lacks.
fn substitute(character: char) -> char {
    match character {
        '–' | '—' | '−' => '-',
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        '→' => '>',
        other => other,
    }
}

/// Blends the text's colour over a pixel by the glyph's coverage.
fn mix(under: Rgb<u8>, ink: Rgb<u8>, coverage: u8) -> Rgb<u8> {
    let part = |under: u8, ink: u8| {
        let coverage = u32::from(coverage);
        ((u32::from(under) * (255 - coverage) + u32::from(ink) * coverage + 127) / 255) as u8
    };
    Rgb([part(under[0], ink[0]), part(under[1], ink[1]), part(under[2], ink[2])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_inside_long_words() {
        assert_eq!(wrap("soft light, smiling at the camera", 12), ["soft light,", "smiling at", "the camera"]);
        assert_eq!(wrap("incomprehensibilities so", 10), ["incomprehe", "nsibilitie", "s so"]);
        assert!(wrap("  ", 10).is_empty());
    }

    #[test]
    fn text_beyond_the_edge_is_cut_off() {
        let mut picture = RgbImage::from_pixel(20, 10, Rgb([255; 3]));
        Font::CAPTION.write(&mut picture, (4, 2), "Ünicode → 肖像", Rgb([0; 3]));
        assert!(picture.pixels().any(|pixel| pixel[0] < 100));
    }
}
