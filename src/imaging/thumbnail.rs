//! Thumbnails for lists and grids.

use image::RgbImage;
use image::imageops::{self, FilterType};

/// The longer side, in pixels.
const SIDE: u32 = 256;

/// Scales a picture down to at most 256 pixels on the longer side. Smaller pictures are not enlarged.
pub fn thumbnail(picture: &RgbImage) -> RgbImage {
    let longest = picture.width().max(picture.height());
    if longest <= SIDE {
        return picture.clone();
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(SIDE)).div_ceil(u64::from(longest)) as u32;
    let (width, height) = (scaled(picture.width()), scaled(picture.height()));
    // Averaging first brings a large picture near the size, which is fast.
    let near = imageops::thumbnail(picture, (2 * width).min(picture.width()), (2 * height).min(picture.height()));
    imageops::resize(&near, width, height, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_and_nothing_is_enlarged() {
        let size = |width, height| thumbnail(&RgbImage::new(width, height)).dimensions();
        assert_eq!((size(1024, 512), size(512, 1024)), ((256, 128), (128, 256)));
        assert_eq!((size(100, 40), size(256, 1)), ((100, 40), (256, 1)));
        assert_eq!(size(12_000, 3), (256, 1));
    }
}
