//! Unreadable and malicious reference files.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use pentimento::imaging::compact;

use crate::support::{Bench, Ran, run};

/// Runs `generate` with a reference file of these bytes.
fn with_reference(name: &str, bytes: &[u8]) -> Ran {
    let bench = Bench::new();
    let picture = bench.path("adapters").join(name);
    fs::write(&picture, bytes).unwrap();
    let ran = run(&mut with(&bench, &picture));
    assert!(ran.status == 0 || bench.nothing_was_written());
    ran
}

fn with(bench: &Bench, picture: &Path) -> Command {
    let mut command = bench.generate();
    command.arg("--adapter").arg(bench.path("adapters/ip-adapter_linear.safetensors")).arg("--reference").arg(picture);
    command
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(70, 50, |x, y| Rgb([x as u8 * 3, y as u8 * 5, (x * y % 251) as u8]));
    if format == ImageFormat::Jpeg {
        return compact::jpeg(&picture).unwrap();
    }
    let mut bytes = Vec::new();
    DynamicImage::ImageRgb8(picture).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

#[test]
fn formats_are_recognised_by_content() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        assert_eq!(with_reference("no-ending", &encoded(format)).status, 0);
    }
}

/// A file of `tests/pictures/field`, from a bug report of another program.
fn field(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/field").join(name)).unwrap()
}

#[test]
fn complete_jpegs_without_an_end_marker_are_read() {
    let generate = |name: &str| {
        let bench = Bench::new();
        let picture = bench.path("adapters").join(name);
        fs::write(&picture, field(name)).unwrap();
        let ran = run(&mut with(&bench, &picture));
        assert_eq!(ran.status, 0, "{name}: {}", ran.stderr);
        fs::read(bench.path("out.png")).unwrap()
    };
    let pixels = |png: Vec<u8>| image::load_from_memory(&png).unwrap().to_rgb8();
    let whole = pixels(generate("whole.jpg"));
    for name in ["no-eoi.jpg", "no-eoi-zeros.jpg", "no-eoi-trailer.jpg"] {
        assert!(pixels(generate(name)) == whole, "{name}");
    }
    with_reference("half.jpg", &field("half.jpg")).refused(1, &["half.jpg", "damaged", "truncated"]);
}

#[test]
fn the_first_of_several_jpegs_in_a_file_is_read() {
    for name in ["two.jpg", "mpo.jpg", "motion-photo.jpg"] {
        assert_eq!(with_reference(name, &field(name)).status, 0, "{name}");
    }
}

#[test]
fn the_error_names_the_actual_format_and_how_to_convert_it() {
    for (bytes, what, advice) in [
        (&b""[..], "empty", "download it again"),
        (b"GIF89a\x01\0\x01\0\0\0\0;", "GIF", "ffmpeg"),
        (b"BM\x3a\0\0\0\0\0\0\0", "BMP", "ffmpeg"),
        (b"II*\0\x08\0\0\0", "TIFF", "ffmpeg"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "heif-convert"),
        (&field("mp4-named.jpg"), "MP4", "ffmpeg"),
        (&field("avif-mif1-named.jpg"), "AVIF", "avifdec"),
        (&field("jxl-named.jpg"), "JPEG XL", "djxl"),
        (b"%PDF-1.7", "PDF", "pdftoppm"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "rsvg-convert"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "web page", "download the image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer", "git lfs pull"),
        (b"just text, long enough to look at", "another kind of file", "PNG, JPEG or WebP"),
    ] {
        with_reference("portrait.png", bytes).refused(1, &["portrait.png", what, advice, "PNG, JPEG or WebP"]);
    }
}

#[test]
fn truncated_pictures() {
    for (format, name) in [(ImageFormat::Png, "a.png"), (ImageFormat::Jpeg, "a.jpg"), (ImageFormat::WebP, "a.webp")] {
        let bytes = encoded(format);
        for length in [20, 40, bytes.len() / 2, bytes.len() - 20] {
            with_reference(name, &bytes[..length]).refused(1, &[name, "damaged"]);
        }
    }
}

#[test]
fn damaged_pictures() {
    let mut bytes = encoded(ImageFormat::Png);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    with_reference("a.png", &bytes).refused(1, &["a.png", "damaged"]);
}

/// A PNG with a header and a few bytes of data.
fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend(crc(&[&kind[..], data].concat()).to_be_bytes());
        bytes
    };
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB
    let data = [0x78, 0x9c, 0x63, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01];
    let parts = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", &[])];
    parts.concat()
}

/// The CRC-32 of PNG chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[test]
fn pictures_that_claim_to_be_huge() {
    with_reference("bomb.png", &png_that_claims(60_000, 60_000)).refused(1, &["bomb.png", "60000×60000", "12000"]);
    with_reference("bomb.png", &png_that_claims(12_001, 8)).refused(1, &["bomb.png", "12001×8", "12000"]);
    // The sides are allowed, but the decoded picture has 412 MiB.
    with_reference("bomb.png", &png_that_claims(12_000, 12_000)).refused(1, &["bomb.png", "12000×12000", "256 MiB"]);
    with_reference("bomb.png", &png_that_claims(0, 8)).refused(1, &["bomb.png", "damaged"]);
    with_reference("bomb.png", &png_that_claims(u32::MAX, u32::MAX)).refused(1, &["bomb.png"]);

    // A frame header with the sides of a JPEG's largest picture.
    let mut jpeg = encoded(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    with_reference("bomb.jpg", &jpeg).refused(1, &["bomb.jpg", "65535×65535"]);
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0, 0, 0, 8]);
    with_reference("bomb.jpg", &jpeg).refused(1, &["bomb.jpg", "zero pixels"]);
}

#[test]
fn a_cmyk_jpeg_is_refused() {
    let mut jpeg = encoded(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 9] = 4;
    with_reference("print.jpg", &jpeg).refused(1, &["print.jpg", "CMYK", "RGB"]);
}

#[test]
fn a_file_of_too_many_bytes() {
    let bench = Bench::new();
    let picture = bench.path("adapters/large.png");
    fs::File::create(&picture).unwrap().set_len((64 << 20) + 1).unwrap();
    run(&mut with(&bench, &picture)).refused(1, &["large.png", "64.0 MiB"]);
}

#[test]
fn paths_that_are_not_files() {
    let bench = Bench::new();
    run(&mut with(&bench, &bench.path("nowhere.png"))).refused(1, &["nowhere.png", "cannot read"]);
    run(&mut with(&bench, &bench.path("adapters"))).refused(1, &["adapters", "folder"]);
    #[cfg(unix)]
    run(&mut with(&bench, Path::new("/dev/zero"))).refused(1, &["/dev/zero", "device"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_at_once() {
    let bench = Bench::new();
    let pipe = bench.path("adapters/pipe.png");
    let made = Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
    if made {
        run(&mut with(&bench, &pipe)).refused(1, &["pipe.png", "pipe"]);
    }
}

#[test]
fn every_pixel_format_is_read() {
    let kinds = [
        DynamicImage::new_luma8(9, 7),
        DynamicImage::new_luma_a8(9, 7),
        DynamicImage::new_rgba8(9, 7),
        DynamicImage::new_luma16(9, 7),
        DynamicImage::new_rgb16(9, 7),
        DynamicImage::new_rgba16(9, 7),
        DynamicImage::new_rgb8(1, 1),
    ];
    for picture in kinds {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        let ran = with_reference("kind.png", &bytes);
        assert_eq!(ran.status, 0, "{:?}: {}", picture.color(), ran.stderr);
    }
}
