//! Converts pixels of any kind to 8-bit sRGB without transparency.

use image::{DynamicImage, RgbImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Converts a picture to sRGB by its colour profile, if that is usable, and composites transparency over white.
pub(super) fn to_srgb(picture: DynamicImage, profile: Option<&[u8]>) -> RgbImage {
    let alpha: Option<Vec<u8>> =
        picture.color().has_alpha().then(|| picture.to_rgba8().pixels().map(|pixel| pixel[3]).collect());
    let mut rgb = picture.into_rgb8();
    if let Some(profile) = profile {
        convert(&mut rgb, profile);
    }
    if let Some(alpha) = alpha {
        composite_over_white(&mut rgb, &alpha);
    }
    rgb
}

/// Converts from the profile's colour space to sRGB, in place. A profile that cannot be read, or whose colour space is
/// neither RGB nor grey, is ignored, as most programs do.
fn convert(picture: &mut RgbImage, profile: &[u8]) {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else { return };
    let source = match profile.color_space {
        DataColorSpace::Rgb => Layout::Rgb,
        DataColorSpace::Gray => Layout::Gray,
        _ => return,
    };
    let srgb = ColorProfile::new_srgb();
    let Ok(transform) = profile.create_transform_8bit(source, &srgb, Layout::Rgb, TransformOptions::default()) else {
        return;
    };
    let apply = |pixels: &[u8]| -> Option<Vec<u8>> {
        let mut converted = vec![0; pixels.len()];
        let ok = match source {
            // A grey picture has three equal channels; the profile takes one.
            Layout::Gray => {
                let grey: Vec<u8> = pixels.iter().step_by(3).copied().collect();
                transform.transform(&grey, &mut converted)
            }
            _ => transform.transform(pixels, &mut converted),
        };
        ok.is_ok().then_some(converted)
    };
    // Most profiles are sRGB. For those, even rounding must not change the pixels.
    let samples = sample_colours();
    let Some(converted) = apply(&samples) else { return };
    if samples.iter().zip(&converted).all(|(&before, &after)| before.abs_diff(after) <= 1) {
        return;
    }
    if let Some(converted) = apply(picture.as_raw()) {
        picture.copy_from_slice(&converted);
    }
}

/// All greys, and colours spread over the RGB cube.
fn sample_colours() -> Vec<u8> {
    let steps = || (0..=255u8).step_by(17);
    let greys = (0..=255u8).flat_map(|level| [level; 3]);
    greys.chain(steps().flat_map(|r| steps().flat_map(move |g| steps().flat_map(move |b| [r, g, b])))).collect()
}

/// `colour · α + 255 · (1 − α)` on gamma-encoded values, as browsers do.
fn composite_over_white(picture: &mut RgbImage, alpha: &[u8]) {
    for (pixel, &alpha) in picture.pixels_mut().zip(alpha) {
        let alpha = u32::from(alpha);
        for value in &mut pixel.0 {
            // The sum is at most 255.
            *value = ((u32::from(*value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, Rgba, RgbaImage};

    #[test]
    fn transparency_is_composited_over_white() {
        let picture = RgbaImage::from_fn(3, 1, |x, _| Rgba([10, 20, 30, [0, 128, 255][x as usize]]));
        let converted = to_srgb(DynamicImage::ImageRgba8(picture), None);
        assert_eq!(converted.get_pixel(0, 0), &Rgb([255, 255, 255]));
        assert_eq!(converted.get_pixel(1, 0), &Rgb([132, 137, 142]));
        assert_eq!(converted.get_pixel(2, 0), &Rgb([10, 20, 30]));
    }

    #[test]
    fn an_srgb_profile_changes_nothing() {
        let picture = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 16, y as u8 * 16, 77]));
        let profile = ColorProfile::new_srgb().encode().unwrap();
        assert_eq!(to_srgb(DynamicImage::ImageRgb8(picture.clone()), Some(&profile)), picture);
    }

    #[test]
    fn a_wider_gamut_makes_colours_stronger() {
        let picture = RgbImage::from_pixel(2, 2, Rgb([200, 60, 60]));
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        let converted = to_srgb(DynamicImage::ImageRgb8(picture), Some(&profile));
        let &Rgb([red, green, _]) = converted.get_pixel(0, 0);
        assert!(red > 210 && green < 50, "{red} {green}");
    }

    #[test]
    fn a_broken_profile_is_ignored() {
        let picture = RgbImage::from_pixel(2, 2, Rgb([200, 60, 60]));
        assert_eq!(to_srgb(DynamicImage::ImageRgb8(picture.clone()), Some(&[7; 300])), picture);
    }
}
