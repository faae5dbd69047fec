//! Colour depths, and the nearest available colour.

use image::imageops::{self, ColorMap};
use image::{Rgb, RgbImage};
use ratatui::style::Color;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// 16 million.
    True,
    /// 256: xterm's palette.
    Indexed,
    /// 16, whose shades the user may have changed.
    Basic,
    None,
}

/// The 16 colours with xterm's default shades.
const BASIC: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];
/// The levels of the palette's 6×6×6 cube.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Colours {
    /// For people: "256 colours".
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "16 million colours",
            Self::Indexed => "256 colours",
            Self::Basic => "16 colours",
            Self::None => "no colours",
        }
    }

    /// The nearest available colour. Only RGB colours change.
    pub fn nearest(self, colour: Color) -> Color {
        let Color::Rgb(red, green, blue) = colour else { return colour };
        let wanted = [red, green, blue];
        match self {
            Self::True => colour,
            Self::Indexed => Color::Indexed(indexed(wanted)),
            Self::Basic => BASIC.iter().min_by_key(|(_, shade)| distance(*shade, wanted)).map_or(colour, |best| best.0),
            Self::None => Color::Reset,
        }
    }

    /// Dithers a picture to the 256-colour palette; other depths leave it as it is.
    pub fn dither(self, picture: &mut RgbImage) {
        if self == Self::Indexed {
            imageops::dither(picture, &Palette);
        }
    }
}

/// The 256-colour palette without the first 16, whose shades are unknown.
struct Palette;

impl ColorMap for Palette {
    type Color = Rgb<u8>;

    fn index_of(&self, colour: &Rgb<u8>) -> usize {
        usize::from(indexed(colour.0))
    }

    fn map_color(&self, colour: &mut Rgb<u8>) {
        colour.0 = shade(indexed(colour.0));
    }
}

/// The RGB value of an index.
fn shade(index: u8) -> [u8; 3] {
    match index {
        0..16 => [0; 3],
        232.. => [8 + 10 * (index - 232); 3],
        16.. => [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(|step| CUBE[usize::from(step)]),
    }
}

/// The index of the nearest colour in the cube or on the grey ramp.
fn indexed(wanted: [u8; 3]) -> u8 {
    let steps = wanted.map(|value| (0..6).min_by_key(|&step| CUBE[step].abs_diff(value)).unwrap_or(0));
    let in_cube = steps.map(|step| CUBE[step]);
    let mean = wanted.iter().map(|&value| u32::from(value)).sum::<u32>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let on_ramp = [8 + 10 * grey; 3];
    if distance(on_ramp, wanted) < distance(in_cube, wanted) {
        232 + grey
    } else {
        (16 + 36 * steps[0] + 6 * steps[1] + steps[2]) as u8
    }
}

/// The squared distance.
fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter().zip(b).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_available_colour_is_found() {
        let nearest = |red, green, blue| Colours::Indexed.nearest(Color::Rgb(red, green, blue));
        assert_eq!(nearest(255, 0, 0), Color::Indexed(196));
        assert_eq!(nearest(0, 0, 0), Color::Indexed(16));
        assert_eq!(nearest(255, 255, 255), Color::Indexed(231));
        assert_eq!(nearest(129, 127, 128), Color::Indexed(244));
        assert_eq!(nearest(100, 140, 170), Color::Indexed(67));
        assert_eq!(Colours::Basic.nearest(Color::Rgb(250, 10, 10)), Color::LightRed);
        assert_eq!(Colours::None.nearest(Color::Rgb(250, 10, 10)), Color::Reset);
        assert_eq!(Colours::Indexed.nearest(Color::Blue), Color::Blue);
        assert!((16..=255).all(|index| shade(indexed(shade(index))) == shade(index)));
    }

    #[test]
    fn dithering_uses_palette_colours_and_keeps_the_average() {
        let skin = Rgb([200, 150, 120]);
        let mut picture = RgbImage::from_pixel(24, 22, skin);
        Colours::Indexed.dither(&mut picture);
        assert!(picture.pixels().all(|pixel| shade(indexed(pixel.0)) == pixel.0));
        for channel in 0..3 {
            let sum: u32 = picture.pixels().map(|pixel| u32::from(pixel[channel])).sum();
            assert!((sum / (24 * 22)).abs_diff(u32::from(skin[channel])) < 6, "{channel}: {}", sum / (24 * 22));
        }
    }
}
