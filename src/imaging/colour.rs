//! Whatever a file's pixels are becomes 8-bit sRGB without transparency.

use image::{DynamicImage, RgbImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Converts with the file's colour profile, if it has one that can be used, and lays transparency over white.
pub(super) fn to_srgb(picture: DynamicImage, profile: Option<&[u8]>) -> RgbImage {
    let alpha: Option<Vec<u8>> =
        picture.color().has_alpha().then(|| picture.to_rgba8().pixels().map(|pixel| pixel[3]).collect());
    let mut rgb = picture.into_rgb8();
    if let Some(profile) = profile {
        convert(&mut rgb, profile);
    }
    if let Some(alpha) = alpha {
        over_white(&mut rgb, &alpha);
    }
    rgb
}

/// From the profile's colours to sRGB, in place. A profile that cannot be read, or is for other inks than the picture
/// has, is passed over: most programs would show the picture without it too.
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
            // The picture is grey in all three channels: one of them is the profile's input.
            Layout::Gray => {
                let grey: Vec<u8> = pixels.iter().step_by(3).copied().collect();
                transform.transform(&grey, &mut converted)
            }
            _ => transform.transform(pixels, &mut converted),
        };
        ok.is_ok().then_some(converted)
    };
    // Most profiles are sRGB itself; then the pixels stay as they are, to the bit.
    let probe = probe();
    let Some(probed) = apply(&probe) else { return };
    if probe.iter().zip(&probed).all(|(&before, &after)| before.abs_diff(after) <= 1) {
        return;
    }
    if let Some(converted) = apply(picture.as_raw()) {
        picture.copy_from_slice(&converted);
    }
}

/// Colours all over the cube, greys first among them.
fn probe() -> Vec<u8> {
    let steps = || (0..=255u8).step_by(17);
    let greys = (0..=255u8).flat_map(|level| [level; 3]);
    greys.chain(steps().flat_map(|r| steps().flat_map(move |g| steps().flat_map(move |b| [r, g, b])))).collect()
}

/// `colour · α + 255 · (1 − α)`, on the coded values, as browsers do.
fn over_white(picture: &mut RgbImage, alpha: &[u8]) {
    for (pixel, &alpha) in picture.pixels_mut().zip(alpha) {
        let alpha = u32::from(alpha);
        for value in &mut pixel.0 {
            // At most 255, so it fits.
            *value = ((u32::from(*value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, Rgba, RgbaImage};

    #[test]
    fn transparency_is_laid_over_white() {
        let picture = RgbaImage::from_fn(3, 1, |x, _| Rgba([10, 20, 30, [0, 128, 255][x as usize]]));
        let seen = to_srgb(DynamicImage::ImageRgba8(picture), None);
        assert_eq!(seen.get_pixel(0, 0), &Rgb([255, 255, 255]));
        assert_eq!(seen.get_pixel(1, 0), &Rgb([132, 137, 142]));
        assert_eq!(seen.get_pixel(2, 0), &Rgb([10, 20, 30]));
    }

    #[test]
    fn an_srgb_profile_changes_nothing() {
        let picture = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 16, y as u8 * 16, 77]));
        let profile = ColorProfile::new_srgb().encode().unwrap();
        assert_eq!(to_srgb(DynamicImage::ImageRgb8(picture.clone()), Some(&profile)), picture);
    }

    #[test]
    fn a_wider_profile_makes_colours_stronger() {
        let picture = RgbImage::from_pixel(2, 2, Rgb([200, 60, 60]));
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        let seen = to_srgb(DynamicImage::ImageRgb8(picture), Some(&profile));
        let &Rgb([red, green, _]) = seen.get_pixel(0, 0);
        assert!(red > 210 && green < 50, "{red} {green}");
    }

    #[test]
    fn a_broken_profile_is_passed_over() {
        let picture = RgbImage::from_pixel(2, 2, Rgb([200, 60, 60]));
        assert_eq!(to_srgb(DynamicImage::ImageRgb8(picture.clone()), Some(&[7; 300])), picture);
    }
}
