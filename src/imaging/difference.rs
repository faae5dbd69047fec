//! What two pictures do not have in common, as a picture.

use image::RgbImage;
use image::imageops::{self, FilterType};

/// Differences are shown so many times as large: what the eye misses is what they are looked at for.
const GAIN: u16 = 3;

/// The distance of each value of one picture from the other's, enlarged; black where they are alike. The other is
/// brought to the size of the one.
pub fn difference(one: &RgbImage, other: &RgbImage) -> RgbImage {
    let (width, height) = one.dimensions();
    let scaled;
    let other = if other.dimensions() == (width, height) {
        other
    } else {
        scaled = imageops::resize(other, width, height, FilterType::Triangle);
        &scaled
    };
    let mut apart = one.clone();
    for (pixel, theirs) in apart.pixels_mut().zip(other.pixels()) {
        for (value, other) in pixel.0.iter_mut().zip(theirs.0) {
            *value = (GAIN * u16::from(value.abs_diff(other))).min(255) as u8;
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn alike_is_black_and_a_small_difference_shows() {
        let grey = |value: u8| RgbImage::from_pixel(4, 2, Rgb([value; 3]));
        assert_eq!(difference(&grey(90), &grey(90)), grey(0));
        assert_eq!(difference(&grey(90), &grey(100)), grey(30));
        assert_eq!(difference(&grey(255), &grey(0)), grey(255));
        let small = RgbImage::from_pixel(2, 1, Rgb([90; 3]));
        assert_eq!(difference(&grey(91), &small), grey(3));
        let halves =
            |width, height| RgbImage::from_fn(width, height, |x, _| Rgb([if 2 * x < width { 200 } else { 0 }; 3]));
        assert_eq!(difference(&halves(8, 4), &halves(4, 2)).get_pixel(5, 0), &Rgb([0; 3]));
    }
}
