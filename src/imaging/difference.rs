//! The difference of two pictures, as a picture.

use image::RgbImage;
use image::imageops::{self, FilterType};

/// Differences are amplified by this factor, because small ones are invisible otherwise.
const GAIN: u16 = 3;

/// The amplified absolute difference of each channel: black where the pictures are equal. The second picture is scaled
/// to the size of the first.
pub fn difference(first: &RgbImage, second: &RgbImage) -> RgbImage {
    let (width, height) = first.dimensions();
    let scaled;
    let second = if second.dimensions() == (width, height) {
        second
    } else {
        scaled = imageops::resize(second, width, height, FilterType::Triangle);
        &scaled
    };
    let mut difference = first.clone();
    for (pixel, other) in difference.pixels_mut().zip(second.pixels()) {
        for (value, other) in pixel.0.iter_mut().zip(other.0) {
            *value = (GAIN * u16::from(value.abs_diff(other))).min(255) as u8;
        }
    }
    difference
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn equal_is_black_and_differences_are_amplified() {
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
