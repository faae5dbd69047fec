//! Lossy encoders for terminals on slow links: few bytes without visible loss. Only the screen uses them; nothing is
//! stored in this form.

use image::RgbImage;
use quantette::deps::palette::Srgb;
use quantette::deps::palette::cast::ComponentsAs;
use quantette::dither::FloydSteinberg;
use quantette::{ImageRef, PaletteSize, Pipeline};

/// Enough colours for smooth skin and sky with dithering.
const PNG_COLOURS: u16 = 128;
/// The share of an error that dithering passes on. Full dithering looks like noise to the compressor.
const PNG_DITHER: f32 = 0.5;
/// The number of colours, and the share of an error that dithering passes on. In sixel, each band of six lines encodes
/// each of its colours separately, and dithering scatters colours.
const SIXEL_FINE: (u16, f32) = (256, 0.5);
const SIXEL_COARSE: (u16, f32) = (64, 0.25);
/// If [`SIXEL_FINE`] needs more bytes per pixel than this, [`SIXEL_COARSE`] is used.
const SIXEL_MAX_BYTES_PER_PIXEL: f64 = 1.5;
/// Lower qualities show block artefacts.
const JPEG_QUALITY: u8 = 85;

/// Encodes a PNG with a palette of 128 colours.
pub fn png(picture: &RgbImage) -> Option<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let pixels: &[Srgb<u8>] = picture.as_raw().as_slice().components_as();
    let indexed = Pipeline::new()
        .palette_size(PaletteSize::from_u16_clamped(PNG_COLOURS))
        .ditherer(FloydSteinberg::with_error_diffusion(PNG_DITHER))
        .input_image(ImageRef::new(width, height, pixels).ok()?)
        .output_srgb8_indexed_image();
    let palette: Vec<u8> =
        indexed.palette().iter().flat_map(|colour| [colour.red, colour.green, colour.blue]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::High);
    // Filters predict a pixel from its neighbours, which does not help with palette indices.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(indexed.indices()).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// Encodes a JPEG of quality 85.
pub fn jpeg(picture: &RgbImage) -> Option<Vec<u8>> {
    super::jpeg::encode(picture, JPEG_QUALITY)
}

/// Encodes a complete sixel sequence: with 256 colours if the picture is smooth enough, otherwise with 64.
pub fn sixel(picture: &RgbImage) -> Option<Vec<u8>> {
    let pixels = picture.width() as usize * picture.height() as usize;
    let fine = encode_sixel(picture, SIXEL_FINE)?;
    if fine.len() as f64 <= pixels as f64 * SIXEL_MAX_BYTES_PER_PIXEL {
        return Some(fine);
    }
    encode_sixel(picture, SIXEL_COARSE)
}

fn encode_sixel(picture: &RgbImage, (max_colors, diffusion): (u16, f32)) -> Option<Vec<u8>> {
    let quantize_method = icy_sixel::QuantizeMethod::Wu;
    let options = icy_sixel::EncodeOptions { max_colors, diffusion, quantize_method };
    let opaque: Vec<u8> = picture.pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
    let (width, height) = picture.dimensions();
    icy_sixel::sixel_encode(&opaque, width as usize, height as usize, &options).ok().map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::Rgb;

    use super::super::decode_picture;
    use super::*;

    /// 24×11 cells of 8×17 pixels.
    const SIZE: (u32, u32) = (192, 187);

    /// Twelve synthetic photographs, with what makes photographs hard to compress: detail on every scale, edges and
    /// sensor noise.
    fn photographs() -> Vec<RgbImage> {
        (0..12).map(photograph).collect()
    }

    fn photograph(number: u32) -> RgbImage {
        let noise = |x: u32, y: u32, salt: u32| {
            let mut hash = (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ salt.wrapping_mul(0xc2b2_ae3d))
                .wrapping_add(number.wrapping_mul(0x27d4_eb2f));
            hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
            hash = (hash ^ hash >> 12).wrapping_mul(0x297a_2d39);
            f64::from(hash ^ hash >> 15) / f64::from(u32::MAX) - 0.5
        };
        let smooth = |x: u32, y: u32, scale: u32, salt: u32| {
            let (left, top) = (x / scale, y / scale);
            let (u, v) = (f64::from(x % scale) / f64::from(scale), f64::from(y % scale) / f64::from(scale));
            let upper = noise(left, top, salt) * (1.0 - u) + noise(left + 1, top, salt) * u;
            let lower = noise(left, top + 1, salt) * (1.0 - u) + noise(left + 1, top + 1, salt) * u;
            upper * (1.0 - v) + lower * v
        };
        RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
            let light: f64 =
                [64, 32, 16, 8, 4, 2].iter().map(|&scale| smooth(x, y, scale, scale) * f64::from(scale).sqrt()).sum();
            let edge = if smooth(x, y, 48, 99) > 0.05 { 40.0 } else { -40.0 };
            Rgb([0, 1, 2].map(|channel| {
                let tint = smooth(x, y, 64, 200 + channel) * 90.0;
                let grain = noise(x, y, 300 + channel) * 6.0;
                (120.0 + 12.0 * light + edge + tint + grain).clamp(0.0, 255.0) as u8
            }))
        })
    }

    /// The size of all twelve in MB, multiplied by `growth`.
    fn megabytes(encode: fn(&RgbImage) -> Option<Vec<u8>>, growth: f64) -> f64 {
        photographs().iter().map(|picture| encode(picture).unwrap().len() as f64 * growth).sum::<f64>() / 1e6
    }

    #[test]
    fn a_page_of_thumbnails_is_small() {
        let base64 = 4.0 / 3.0;
        let (png, jpeg, sixel) = (megabytes(png, base64), megabytes(jpeg, base64), megabytes(sixel, 1.0));
        println!("twelve thumbnails in MB: png {png:.3}, jpeg {jpeg:.3}, sixel {sixel:.3}");
        assert!(png <= 0.45 && jpeg <= 0.25 && sixel <= 0.8, "png {png:.3}, jpeg {jpeg:.3}, sixel {sixel:.3}");
    }

    #[test]
    fn encoded_pictures_look_like_the_original() {
        let picture = photograph(3);
        for (encode, most) in [(png as fn(&RgbImage) -> Option<Vec<u8>>, 5.0), (jpeg, 5.0)] {
            let decoded = decode_picture(Path::new("thumbnail"), &encode(&picture).unwrap()).unwrap();
            assert_eq!(decoded.dimensions(), SIZE);
            assert!(difference(&picture, decoded.as_raw()) < most, "{}", difference(&picture, decoded.as_raw()));
        }
        let sixel = icy_sixel::SixelImage::decode(&sixel(&picture).unwrap()).unwrap();
        // The decoder returns whole bands of six lines; the last one is cut to the picture.
        let decoded: Vec<u8> = sixel.pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        let decoded = &decoded[..picture.as_raw().len()];
        assert!(difference(&picture, decoded) < 8.0, "{}", difference(&picture, decoded));
    }

    #[test]
    fn a_single_pixel_and_a_single_colour_can_be_encoded() {
        for picture in [RgbImage::new(1, 1), RgbImage::from_pixel(30, 20, Rgb([7, 8, 9]))] {
            assert!(png(&picture).is_some() && jpeg(&picture).is_some() && sixel(&picture).is_some());
        }
        let decoded = image::load_from_memory(&png(&RgbImage::from_pixel(30, 20, Rgb([7, 8, 9]))).unwrap()).unwrap();
        assert_eq!(decoded.to_rgb8().get_pixel(29, 19).0, [7, 8, 9]);
    }

    /// The mean absolute difference of a channel.
    fn difference(picture: &RgbImage, other: &[u8]) -> f64 {
        assert_eq!(picture.as_raw().len(), other.len());
        let sum: u64 = picture.as_raw().iter().zip(other).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
        sum as f64 / other.len() as f64
    }
}
