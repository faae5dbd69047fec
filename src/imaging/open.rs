//! Opening a picture that a stranger may have made.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::{Error, Result, colour, jpeg};

/// Bytes of a file.
pub const LARGEST_FILE: u64 = 64 << 20;
/// Pixels along a side.
pub const LONGEST_SIDE: u32 = 12_000;
/// Bytes of a decoded picture.
pub const LARGEST_PICTURE: u64 = 256 << 20;

/// A picture, and the BLAKE3 hash of the file it came from, in hexadecimal.
#[derive(Clone, Debug)]
pub struct Opened {
    pub picture: RgbImage,
    pub hash: String,
}

/// The picture in a PNG, JPEG or WebP file: as it is meant to be seen, in sRGB.
///
/// The format is told by the first bytes, never by the name. EXIF orientation is applied; a colour profile is converted
/// to sRGB; 16 bits, grey and palettes become 8-bit RGB; transparency is laid over white, as a page would show it. Of
/// an animation the first picture counts. CMYK is refused, because without its profile the colours of a face come out
/// wrong.
pub fn open_picture(path: &Path) -> Result<Opened> {
    let bytes = read_file(path)?;
    let picture = decode_picture(path, &bytes)?;
    Ok(Opened { picture, hash: blake3::hash(&bytes).to_hex().to_string() })
}

/// The same from bytes that are in memory already; `path` is for messages.
pub fn decode_picture(path: &Path, bytes: &[u8]) -> Result<RgbImage> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let format =
        known_format(bytes).ok_or_else(|| Error::NotAPicture { path: path.to_owned(), what: what_it_seems(bytes) })?;
    if format == ImageFormat::Jpeg {
        let structure = jpeg::walk(bytes).map_err(|reason| damaged(reason.to_owned()))?;
        if structure.components == 4 {
            return Err(Error::Unsupported { path: path.to_owned(), what: "is a JPEG in CMYK colours".to_owned() });
        }
    }

    let failed = |error: ImageError| match error {
        ImageError::Unsupported(error) => Error::Unsupported {
            path: path.to_owned(),
            what: format!("uses a kind of {} that this program does not read ({error})", format_name(format)),
        },
        error => damaged(one_line(&error.to_string())),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(LARGEST_PICTURE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    let too_large = |limit: String| Error::TooLarge { path: path.to_owned(), width, height, limit };
    if width == 0 || height == 0 {
        return Err(damaged(format!("it has {width}×{height} pixels")));
    }
    if width > LONGEST_SIDE || height > LONGEST_SIDE {
        return Err(too_large(format!("{LONGEST_SIDE} a side")));
    }
    if decoder.total_bytes() > LARGEST_PICTURE {
        return Err(too_large(format!("{} MiB once decoded", LARGEST_PICTURE >> 20)));
    }

    // Both are hints: a broken one must not keep a good picture out.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(colour::to_srgb(picture, profile.as_deref()))
}

/// The whole file, if it is a file and not too large.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |reason| Error::Unreadable { path: path.to_owned(), reason };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Error::NotAFile { path: path.to_owned(), what: "a folder" });
    }
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.to_owned(), what: "a device or a pipe" });
    }
    let too_large = |bytes| Error::FileTooLarge { path: path.to_owned(), bytes, limit: LARGEST_FILE };
    if metadata.len() > LARGEST_FILE {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
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

/// Words for files that people mistake for one of ours.
fn what_it_seems(bytes: &[u8]) -> String {
    match bytes {
        [] => "it is empty",
        [b'G', b'I', b'F', b'8', ..] => "it is a GIF",
        [b'B', b'M', ..] => "it is a BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "it is a TIFF or a camera's raw file",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => "it is a HEIC picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', ..] => "it is an AVIF picture",
        [b'%', b'P', b'D', b'F', ..] => "it is a PDF",
        [b'<', ..] => "it is a text file, perhaps an SVG",
        _ => "its first bytes are of another kind of file",
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
