//! Decodes and encodes JPEG files with libjpeg-turbo, which reads every structure that the standard allows.
//!
//! A picture is complete if the coded data of each scan reaches its last block. An end marker alone proves nothing:
//! complete files without one exist, and so do truncated files with one.

mod libjpeg;
mod segments;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};

use libjpeg::{Failure, Header};
use segments::Frame;

/// A JPEG that was decoded.
pub(super) struct Decoded {
    pub picture: DynamicImage,
    pub orientation: Orientation,
    pub profile: Option<Vec<u8>>,
}

/// Why a JPEG was not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Damaged(String),
    Unsupported(String),
}

/// Decodes a JPEG whose width, height and number of bytes are allowed.
pub(super) fn decode<E: From<Refusal>>(
    bytes: &[u8],
    allow: impl Fn(u32, u32, u64) -> Result<(), E>,
) -> Result<Decoded, E> {
    let allow = |width: u32, height: u32, channels: u8| {
        allow(width, height, u64::from(width) * u64::from(height) * u64::from(channels))
    };
    // libjpeg would refuse most of these too, but name no reason that helps.
    if let Some(frame) = segments::frame(bytes) {
        refuse_unsupported(&frame)?;
        allow(frame.width, frame.height, frame.components)?;
    }
    let header = libjpeg::read_header(bytes).map_err(Refusal::from)?;
    let Header { width, height, channels } = header;
    allow(width, height, channels)?;
    let pixels = libjpeg::read_pixels(bytes, header).map_err(Refusal::from)?;
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    let picture = picture.ok_or_else(|| Refusal::Damaged("its size is wrong".to_owned()))?;
    // Both are optional: if one is broken, the picture is still good.
    let orientation = segments::orientation(bytes).unwrap_or(Orientation::NoTransforms);
    Ok(Decoded { picture, orientation, profile: segments::colour_profile(bytes) })
}

/// Encodes a baseline JPEG.
pub(super) fn encode(picture: &RgbImage, quality: u8) -> Option<Vec<u8>> {
    libjpeg::encode(picture, quality)
}

/// Refuses a kind of JPEG that is valid, but that libjpeg does not decode to 8-bit grey or RGB.
fn refuse_unsupported(frame: &Frame) -> Result<(), Refusal> {
    let unsupported = |what: String| Err(Refusal::Unsupported(what));
    match *frame {
        Frame { width: 0, .. } | Frame { height: 0, .. } => {
            Err(Refusal::Damaged("it is zero pixels wide or high".to_owned()))
        }
        Frame { marker: 0xc3 | 0xcb, .. } => unsupported("a lossless JPEG".to_owned()),
        Frame { marker: 0xc5..=0xc7 | 0xcd..=0xcf, .. } => unsupported("a hierarchical JPEG".to_owned()),
        Frame { components: 4, .. } => unsupported("a JPEG in CMYK colours".to_owned()),
        Frame { bits, .. } if bits != 8 => unsupported(format!("a JPEG with {bits} bits per sample")),
        Frame { components, .. } if ![1, 3].contains(&components) => {
            unsupported(format!("a JPEG with {components} colour components"))
        }
        _ => Ok(()),
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Damaged(match failure {
            Failure::Truncated => "it is truncated".to_owned(),
            Failure::TooManyScans => "it has more than 100 scans".to_owned(),
            Failure::Damaged(message) => message.replacen("Corrupt", "corrupt", 1),
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
