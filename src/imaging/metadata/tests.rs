//! The texts are those that ExifTool and Pillow decode, and no file does harm.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;

/// Files with UTF-8 where the format says Latin-1, as which Pillow decodes it.
const UTF8_AS_LATIN1: [&str; 2] = ["reports/utf8-in-text.png", "made/ztxt-utf8.png"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/metadata")
}

fn decoded_by_others() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(&fs::read_to_string(folder().join("texts.json")).unwrap()).unwrap()
}

#[test]
fn texts_are_those_of_exiftool_and_pillow() {
    let mut compared = 0;
    for (name, texts) in decoded_by_others() {
        let path = folder().join(&name);
        let metadata = read(&path, &fs::read(&path).unwrap()).unwrap();
        for (keyword, text) in texts.iter().filter_map(|(keyword, text)| Some((wanted(keyword)?, text))) {
            if name == "made/exif-jis.jpg" {
                assert_eq!(metadata.undecoded, ["an EXIF user comment in JIS"]);
                continue;
            }
            let expected = match UTF8_AS_LATIN1.contains(&name.as_str()) {
                true => String::from_utf8(text.chars().map(|c| c as u8).collect()).unwrap(),
                false => text.clone(),
            };
            assert_eq!(metadata.text(keyword), Some(expected.as_str()), "{name}: {keyword}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn the_comment_of_xmp_is_read() {
    let path = folder().join("made/draw-things.png");
    let metadata = read(&path, &fs::read(&path).unwrap()).unwrap();
    let text = metadata.text(USER_COMMENT).unwrap();
    assert!(text.starts_with("{\"c\": \"portrait of a baker & <her> bread\""), "{text}");
    for packet in ["<exif:UserComment", "<exif:UserComment>", "<exif:UserComment></exif:UserComment>", "&#xffffffff;&&"]
    {
        assert_eq!(xmp::user_comment(packet).unwrap_or_default(), "");
    }
}

#[test]
fn damaged_files_do_no_harm() {
    for name in
        decoded_by_others().into_keys().filter(|name| name.starts_with("made") && !name.contains("two-segments"))
    {
        let whole = fs::read(folder().join(&name)).unwrap();
        for at in 0..whole.len() {
            for byte in [whole[at] ^ 1 << (at % 8), 0, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let metadata = read(Path::new(&name), &bytes);
                if at % 7 == 0
                    && let Ok(metadata) = metadata
                {
                    crate::imaging::programs::read(&metadata);
                }
            }
            let _ = read(Path::new(&name), &whole[..at]);
        }
    }
}

#[test]
fn a_long_comment_is_refused() {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x92\x86\0\x07".to_vec();
    let length = MAX_TEXT_BYTES as u32 + 9;
    exif.extend(length.to_be_bytes().into_iter().chain(26_u32.to_be_bytes()).chain([0; 4]));
    exif.extend(b"ASCII\0\0\0".iter().copied().chain(std::iter::repeat_n(b'a', MAX_TEXT_BYTES + 1)));
    let mut webp = b"RIFF\0\0\0\0WEBPEXIF".to_vec();
    webp.extend((exif.len() as u32).to_le_bytes().into_iter().chain(exif));
    assert!(read(Path::new("a.webp"), &webp).unwrap_err().to_string().contains("2048 KiB"));
}

#[test]
fn endless_texts_are_refused() {
    let chunk = |kind: &[u8], data: &[u8]| {
        let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
        chunk.extend([kind, data, &[0; 4]].concat());
        chunk
    };
    let signature = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    let png = [&signature[..], &chunk(b"tEXt", b"parameters\0").repeat(501)].concat();
    assert!(read(Path::new("a.png"), &png).is_err());
    let blank = [b"Comment\0".to_vec(), vec![b' '; 1 << 20]].concat();
    let png = [&signature[..], &chunk(b"tEXt", &blank).repeat(9)].concat();
    assert!(read(Path::new("a.png"), &png).is_err());
    // Other keywords do not count.
    let png = [&signature[..], &chunk(b"tEXt", b"Author\0x").repeat(5000), &chunk(b"tEXt", b"Parameters\0x")].concat();
    assert_eq!(read(Path::new("a.png"), &png).unwrap().text("parameters"), Some("x"));
}
