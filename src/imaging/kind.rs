//! Tells by its first bytes what a file is that is not a PNG, JPEG or WebP file, and how to convert it.

/// What a file is, and what to do about it. Both are parts of an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub what: &'static str,
    pub advice: &'static str,
}

const USE_ANOTHER: &str = "use a PNG, JPEG or WebP file";
const FFMPEG: &str = "convert it with \"ffmpeg -i FILE -frames:v 1 out.png\"";
const HEIF: &str = "convert it with \"heif-convert FILE out.png\"";
const AVIF: &str = "convert it with \"avifdec FILE out.png\"";
const JXL: &str = "convert it with \"djxl FILE out.png\"";
const PDF: &str = "convert its first page with \"pdftoppm -png -singlefile FILE out\"";
const RAW: &str = "develop it in a photo editor and save it as PNG or JPEG";
const SAVE: &str = "save it as PNG or JPEG in a photo editor";
const SVG: &str = "convert it with \"rsvg-convert -o out.png FILE\"";
const LFS: &str = "run \"git lfs pull\" in its repository";
const DOWNLOAD: &str = "download the image itself";
const UNPACK: &str = "unpack it and name an image in it";

pub(super) fn kind(bytes: &[u8]) -> Kind {
    let (what, advice) = match bytes {
        [] => ("it is empty", "copy or download it again"),
        [b'G', b'I', b'F', b'8', ..] => ("it is a GIF", FFMPEG),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => ("it is a BMP", FFMPEG),
        [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', ..] => ("it is a raw camera file", RAW),
        [b'I', b'I', b'R', b'O', ..] | [b'F', b'U', b'J', b'I', b'F', b'I', b'L', b'M', ..] => {
            ("it is a raw camera file", RAW)
        }
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => ("it is a TIFF or a raw camera file", FFMPEG),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => base_media(bytes),
        [0xff, 0x0a, ..] => ("it is a JPEG XL image", JXL),
        [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => ("it is a JPEG XL image", JXL),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => ("it is a JPEG 2000 image", FFMPEG),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => ("it is a Matroska or WebM video", FFMPEG),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => ("it is an AVI video", FFMPEG),
        [b'8', b'B', b'P', b'S', ..] => ("it is a Photoshop file", SAVE),
        [b'%', b'P', b'D', b'F', ..] => ("it is a PDF", PDF),
        [b'P', b'K', 3, 4, ..] => ("it is a ZIP archive", UNPACK),
        [0x1f, 0x8b, ..] => ("it is a gzip archive", UNPACK),
        _ => text(bytes),
    };
    Kind { what, advice }
}

/// Files of the ISO base media format: a box `ftyp` with a major brand and a list of compatible ones.
fn base_media(bytes: &[u8]) -> (&'static str, &'static str) {
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let brands = bytes.get(8..length.clamp(8, bytes.len().min(256))).unwrap_or_default();
    let has = |names: &[&[u8; 4]]| brands.chunks_exact(4).any(|brand| names.iter().any(|name| brand == *name));
    // `mif1` and `msf1` are shared by HEIC and AVIF, so they come after those.
    if has(&[b"avif", b"avis"]) {
        ("it is an AVIF image", AVIF)
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"]) {
        ("it is a HEIC image", HEIF)
    } else if has(&[b"crx "]) {
        ("it is a raw camera file", RAW)
    } else if has(&[b"mif1", b"msf1"]) {
        ("it is a HEIF image", HEIF)
    } else {
        ("it is an MP4 or QuickTime video", FFMPEG)
    }
}

fn text(bytes: &[u8]) -> (&'static str, &'static str) {
    // A byte order mark, then white space.
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let head = String::from_utf8_lossy(&start[..start.len().min(1024)]).to_ascii_lowercase();
    if head.starts_with("version https://git-lfs") {
        ("it is a Git LFS pointer, not the file itself", LFS)
    } else if head.starts_with("<!doctype html") || head.starts_with("<html") {
        ("it is a web page", DOWNLOAD)
    } else if head.starts_with('<') && head.contains("<svg") {
        ("it is an SVG drawing", SVG)
    } else if head.starts_with('<') {
        ("it is a text file", DOWNLOAD)
    } else if bytes.iter().take(1024).all(|&byte| byte == 0) {
        ("it contains only zeros", "copy or download it again")
    } else {
        ("its first bytes are those of another kind of file", USE_ANOTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_tell_images_from_videos() {
        let what = |brands: &[u8]| {
            let bytes = [&((8 + brands.len()) as u32).to_be_bytes(), &b"ftyp"[..], brands, b"and so on"].concat();
            kind(&bytes).what
        };
        assert_eq!(what(b"isom\0\0\x02\0isommp41"), "it is an MP4 or QuickTime video");
        assert_eq!(what(b"qt  \0\0\0\0"), "it is an MP4 or QuickTime video");
        assert_eq!(what(b"mif1\0\0\0\0mif1avifmiaf"), "it is an AVIF image");
        assert_eq!(what(b"mif1\0\0\0\0mif1heic"), "it is a HEIC image");
        assert_eq!(what(b"mif1\0\0\0\0mif1"), "it is a HEIF image");
    }

    #[test]
    fn a_length_that_lies_is_harmless() {
        for length in [0_u32, 7, 9, u32::MAX] {
            kind(&[&length.to_be_bytes(), &b"ftyp"[..], b"avif"].concat());
        }
        kind(b"\0\0\0\x08ftyp");
    }
}
