//! Opens image files from untrusted sources, within limits.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::jpeg::{self, Decoded};
use super::kind::{Kind, kind};
use super::{Error, Result, colour, webp};

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
    let format = known_format(bytes).ok_or_else(|| {
        let Kind { what, advice } = kind(bytes);
        Error::NotAPicture { path: path.to_owned(), what, advice }
    })?;
    let decode = match format {
        ImageFormat::Jpeg => decode_jpeg,
        ImageFormat::WebP => decode_webp,
        _ => decode_png,
    };
    let Decoded { mut picture, orientation, profile } = decode(bytes).map_err(|failure| failure.of(path))?;
    picture.apply_orientation(orientation);
    Ok(colour::to_srgb(picture, profile.as_deref()))
}

fn decode_jpeg(bytes: &[u8]) -> Result<Decoded, Failure> {
    jpeg::decode(bytes, allow)
}

fn decode_png(bytes: &[u8]) -> Result<Decoded, Failure> {
    decode_with_limits(bytes, ImageFormat::Png, |width, height| Ok((width, height)))
}

fn decode_webp(bytes: &[u8]) -> Result<Decoded, Failure> {
    let damaged = |reason: &str| Failure::Damaged(reason.to_owned());
    let still = webp::read_container(bytes).map_err(damaged)?;
    let size = |width, height| still.size(width, height).map_err(damaged);
    let decoded = decode_with_limits(&still.file, ImageFormat::WebP, size)?;
    Ok(Decoded {
        picture: still.onto_canvas(decoded.picture),
        orientation: still.exif.and_then(orientation).unwrap_or(Orientation::NoTransforms),
        profile: still.profile.map(<[u8]>::to_vec),
    })
}

/// Decodes with the crate `image`. `size` turns the coded size into the size of the result.
fn decode_with_limits(
    bytes: &[u8],
    format: ImageFormat,
    size: impl Fn(u32, u32) -> Result<(u32, u32), Failure>,
) -> Result<Decoded, Failure> {
    let failed = |error: ImageError| match error {
        ImageError::Unsupported(error) => Failure::Unsupported(format!("this kind of {format:?}: {error}")),
        error => Failure::Damaged(one_line(&error.to_string())),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    allow(width, height, decoder.total_bytes())?;
    let (width, height) = size(width, height)?;
    allow(width, height, u64::from(width) * u64::from(height) * u64::from(decoder.color_type().bytes_per_pixel()))?;

    // Both are optional: if one is broken, the picture is still good.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(Decoded { picture, orientation, profile })
}

fn allow(width: u32, height: u32, bytes: u64) -> Result<(), Failure> {
    let too_large = |limit| Err(Failure::TooLarge { width, height, limit });
    if width == 0 || height == 0 {
        return Err(Failure::Damaged(format!("it has {width}×{height} pixels")));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return too_large(format!("{MAX_SIDE} on each side"));
    }
    if bytes > MAX_DECODED_BYTES {
        return too_large(format!("{} MiB decoded", MAX_DECODED_BYTES >> 20));
    }
    Ok(())
}

/// The orientation of an EXIF chunk. Some programs put JPEG's prefix before it.
fn orientation(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// An error without the file's path.
enum Failure {
    Damaged(String),
    Unsupported(String),
    TooLarge { width: u32, height: u32, limit: String },
}

impl Failure {
    fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Damaged(reason) => Error::Damaged { path, reason },
            Self::Unsupported(what) => Error::Unsupported { path, what },
            Self::TooLarge { width, height, limit } => Error::TooLarge { path, width, height, limit },
        }
    }
}

impl From<jpeg::Refusal> for Failure {
    fn from(refusal: jpeg::Refusal) -> Self {
        match refusal {
            jpeg::Refusal::Damaged(reason) => Self::Damaged(reason),
            jpeg::Refusal::Unsupported(what) => Self::Unsupported(what),
        }
    }
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
