//! Opens image files from untrusted sources, within limits.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::{Error, Result, colour, jpeg};

/// The limit for the size of a file, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// The limit for width and height, in pixels.
pub const MAX_SIDE: u32 = 12_000;
/// The limit for the decoded pixels, in bytes.
pub const MAX_DECODED_BYTES: u64 = 256 << 20;

/// A picture and its file's hash.
#[derive(Clone, Debug)]
pub struct OpenedPicture {
    pub picture: RgbImage,
    /// BLAKE3, in hexadecimal.
    pub hash: String,
}

/// Reads a PNG, JPEG or WebP file as an upright 8-bit sRGB picture.
///
/// The first bytes decide the format, never the name. The EXIF orientation is applied, and the colour profile is
/// converted to sRGB. 16 bits, grey and palettes become 8-bit RGB, and transparency is composited over white. Of an
/// animation, the first frame is used. CMYK is refused, because it has wrong colours without its profile.
pub fn open_picture(path: &Path) -> Result<OpenedPicture> {
    let bytes = read_file(path)?;
    let picture = decode_picture(path, &bytes)?;
    Ok(OpenedPicture { picture, hash: blake3::hash(&bytes).to_hex().to_string() })
}

/// Decodes the bytes of a file as [`open_picture`] does. `path` is for error messages.
pub fn decode_picture(path: &Path, bytes: &[u8]) -> Result<RgbImage> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let format =
        known_format(bytes).ok_or_else(|| Error::NotAPicture { path: path.to_owned(), what: guess_kind(bytes) })?;
    if format == ImageFormat::Jpeg {
        let structure = jpeg::read_structure(bytes).map_err(|reason| damaged(reason.to_owned()))?;
        if structure.components == 4 {
            return Err(Error::Unsupported { path: path.to_owned(), what: "a JPEG in CMYK colours".to_owned() });
        }
    }

    let failed = |error: ImageError| match error {
        ImageError::Unsupported(error) => {
            Error::Unsupported { path: path.to_owned(), what: format!("this kind of {}: {error}", format_name(format)) }
        }
        error => damaged(one_line(&error.to_string())),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    let too_large = |limit: String| Error::TooLarge { path: path.to_owned(), width, height, limit };
    if width == 0 || height == 0 {
        return Err(damaged(format!("it has {width}×{height} pixels")));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(too_large(format!("{MAX_SIDE} on each side")));
    }
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(too_large(format!("{} MiB decoded", MAX_DECODED_BYTES >> 20)));
    }

    // Both are optional: if one is broken, the picture is still good.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(colour::to_srgb(picture, profile.as_deref()))
}

/// Reads a whole file, if it is a regular file within the limit.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |reason| Error::Unreadable { path: path.to_owned(), reason };
    // Checked before opening, because opening a pipe waits for its writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Error::NotAFile { path: path.to_owned(), what: "a folder" });
    }
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.to_owned(), what: "a device or a pipe" });
    }
    let too_large = |bytes| Error::FileTooLarge { path: path.to_owned(), bytes, limit: MAX_FILE_BYTES };
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn known_format(bytes: &[u8]) -> Option<ImageFormat> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        _ => None,
    }
}

/// Names the format of a file that is often opened by mistake.
fn guess_kind(bytes: &[u8]) -> String {
    match bytes {
        [] => "it is empty",
        [b'G', b'I', b'F', b'8', ..] => "it is a GIF",
        [b'B', b'M', ..] => "it is a BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "it is a TIFF or a raw camera file",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => "it is a HEIC image",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', ..] => "it is an AVIF image",
        [b'%', b'P', b'D', b'F', ..] => "it is a PDF",
        [b'<', ..] => "it is a text file, perhaps an SVG",
        _ => "its first bytes are those of another kind of file",
    }
    .to_owned()
}

fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        _ => "WebP",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
