//! Reads the container of a WebP file (RFC 9649).
//!
//! The decoder refuses files whose header announces chunks that are missing, and drops transparency that the header
//! does not announce. libwebp looks for the chunks themselves. So does this module: it gives the decoder a file of its
//! own, with the coded picture and a header that is true.

use image::{DynamicImage, RgbaImage, imageops};

const TRUNCATED: &str = "it is truncated";

/// A picture in a WebP file, or the first one of an animation.
pub(super) struct Still<'b> {
    /// A WebP file with nothing but this picture.
    pub file: Vec<u8>,
    /// The animation's canvas and the picture's place in it.
    place: Option<Place>,
    /// The canvas of a file with an extended header.
    canvas: Option<(u32, u32)>,
    pub exif: Option<&'b [u8]>,
    pub profile: Option<&'b [u8]>,
}

#[derive(Clone, Copy)]
struct Place {
    x: u32,
    y: u32,
}

type Chunk<'b> = ([u8; 4], &'b [u8]);

/// Finds the picture and its metadata.
pub(super) fn read_container(bytes: &[u8]) -> Result<Still<'_>, &'static str> {
    let mut still = Still { file: Vec::new(), place: None, canvas: None, exif: None, profile: None };
    let mut alpha = None;
    for chunk in chunks(bytes.get(12..).ok_or(TRUNCATED)?) {
        let (name, data) = match chunk {
            Ok(chunk) => chunk,
            // Nothing after the picture is needed to decode it.
            Err(_) if !still.file.is_empty() => break,
            Err(truncated) => return Err(truncated),
        };
        match &name {
            b"VP8X" => still.canvas = extended_size(data),
            b"ICCP" => still.profile = still.profile.or(Some(data)),
            b"EXIF" => still.exif = still.exif.or(Some(data)),
            b"ALPH" => alpha = alpha.or(Some(data)),
            b"VP8 " | b"VP8L" if still.file.is_empty() => still.file = single(name, data, alpha)?,
            b"ANMF" if still.file.is_empty() => {
                (still.file, still.place) = first_frame(data)?;
            }
            _ => {}
        }
    }
    if still.file.is_empty() { Err("it contains no image") } else { Ok(still) }
}

impl Still<'_> {
    /// The size with the canvas, given the size of the decoded picture.
    pub fn size(&self, width: u32, height: u32) -> Result<(u32, u32), &'static str> {
        match (self.canvas, self.place) {
            (Some((across, down)), Some(Place { x, y })) if x + width <= across && y + height <= down => {
                Ok((across, down))
            }
            (Some(_), Some(_)) => Err("its first frame is larger than the animation"),
            (Some(canvas), None) if canvas != (width, height) => Err("its header has another size than its image"),
            _ => Ok((width, height)),
        }
    }

    /// Puts the decoded picture onto the animation's canvas, which is transparent.
    pub fn onto_canvas(&self, picture: DynamicImage) -> DynamicImage {
        let size = self.size(picture.width(), picture.height());
        match (self.place, size) {
            (Some(Place { x, y }), Ok((width, height))) if (width, height) != (picture.width(), picture.height()) => {
                let mut canvas = RgbaImage::new(width, height);
                imageops::replace(&mut canvas, &picture.into_rgba8(), i64::from(x), i64::from(y));
                canvas.into()
            }
            _ => picture,
        }
    }
}

/// The chunks. The padding byte after the last one may be missing.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, &'static str>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [n0, n1, n2, n3, l0, l1, l2, l3, body @ ..] = rest else { return None };
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(data) = body.get(..length) else {
            rest = &[];
            return Some(Err(TRUNCATED));
        };
        rest = body.get(length + length % 2..).unwrap_or(&[]);
        Some(Ok(([*n0, *n1, *n2, *n3], data)))
    })
}

/// The canvas of an extended header: flags, three reserved bytes, then width and height less one in 24 bits each.
fn extended_size(data: &[u8]) -> Option<(u32, u32)> {
    Some((u24(data.get(4..7)?) + 1, u24(data.get(7..10)?) + 1))
}

/// The first frame of an animation: its place in steps of two pixels, then its size, duration, flags and chunks.
fn first_frame(data: &[u8]) -> Result<(Vec<u8>, Option<Place>), &'static str> {
    let (header, body) = data.split_at_checked(16).ok_or(TRUNCATED)?;
    let place = Place { x: u24(&header[..3]) * 2, y: u24(&header[3..6]) * 2 };
    let mut alpha = None;
    for chunk in chunks(body) {
        let (name, data) = chunk?;
        match &name {
            b"VP8 " | b"VP8L" => return Ok((single(name, data, alpha)?, Some(place))),
            b"ALPH" => alpha = alpha.or(Some(data)),
            _ => {}
        }
    }
    Err("its first frame contains no image")
}

/// A WebP file with one picture and, if it has one, its alpha channel.
fn single(name: [u8; 4], data: &[u8], alpha: Option<&[u8]>) -> Result<Vec<u8>, &'static str> {
    let mut body = b"WEBP".to_vec();
    // A lossless picture contains its own alpha channel.
    if let Some(alpha) = alpha.filter(|_| name == *b"VP8 ") {
        // The key frame's header: three bytes, a start code of three bytes, width and height in 14 bits each.
        let size = data.get(6..10).ok_or(TRUNCATED)?;
        let side = |low: u8, high: u8| (u32::from(u16::from_le_bytes([low, high])) & 0x3fff).wrapping_sub(1);
        let mut extended = vec![0x10, 0, 0, 0];
        extended.extend(&side(size[0], size[1]).to_le_bytes()[..3]);
        extended.extend(&side(size[2], size[3]).to_le_bytes()[..3]);
        append(&mut body, *b"VP8X", &extended);
        append(&mut body, *b"ALPH", alpha);
    }
    append(&mut body, name, data);
    let mut file = b"RIFF".to_vec();
    file.extend((body.len() as u32).to_le_bytes());
    file.append(&mut body);
    Ok(file)
}

fn append(file: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    file.extend(name);
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    if data.len() % 2 == 1 {
        file.push(0);
    }
}

fn u24(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}
