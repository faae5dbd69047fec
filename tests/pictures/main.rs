//! Compares decoded pictures with those of libjpeg-turbo and libwebp, over files with every structure that is allowed.
//!
//! `make_pictures.py` makes the files and the values. All pixels are equal: both libraries compute with integers, and
//! the decoders follow them bit by bit.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use pentimento::imaging::decode_picture;
use serde::Deserialize;
use zip::ZipArchive;

#[derive(Deserialize)]
struct Values {
    files: BTreeMap<String, Expected>,
}

/// What must be read from a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Pixels { size: (u32, u32), blake3: String },
    Refused { refused: String },
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures")
}

fn values() -> Values {
    serde_json::from_slice(&fs::read(folder().join("odd.json")).unwrap()).unwrap()
}

/// What is wrong with the result, if anything.
fn fault(name: &str, bytes: &[u8], expected: &Expected) -> Option<String> {
    match (decode_picture(Path::new(name), bytes), expected) {
        (Ok(picture), Expected::Pixels { size, blake3 }) => {
            if picture.dimensions() != *size {
                return Some(format!("{:?} pixels instead of {size:?}", picture.dimensions()));
            }
            let hash = blake3::hash(picture.as_raw()).to_hex();
            (hash.as_str() != blake3).then(|| "other pixels".to_owned())
        }
        (Ok(_), Expected::Refused { refused }) => Some(format!("accepted instead of refused ({refused})")),
        (Err(error), Expected::Refused { refused }) => {
            let error = error.to_string();
            (!error.contains(refused.as_str())).then(|| format!("{error:?} does not say {refused:?}"))
        }
        (Err(error), Expected::Pixels { .. }) => Some(error.to_string()),
    }
}

fn assert_none(faults: &[String], of: usize) {
    assert!(faults.is_empty(), "{} of {of}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn generated_files_have_the_pixels_of_the_reference_decoders() {
    let values = values();
    let mut archive = ZipArchive::new(fs::File::open(folder().join("odd.zip")).unwrap()).unwrap();
    assert!(archive.len() >= 300, "{}", archive.len());
    let mut faults = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        faults.extend(fault(&name, &bytes, &values.files[&name]).map(|fault| format!("{name}: {fault}")));
    }
    assert_none(&faults, archive.len());
}

/// Files from bug reports: complete JPEGs without an end marker, two JPEGs in one file, one scan per channel.
#[test]
fn reported_files_have_the_pixels_of_the_reference_decoders() {
    let values = values();
    let field: Vec<_> = values.files.iter().filter(|(name, _)| name.starts_with("field/")).collect();
    assert!(field.len() >= 18, "{}", field.len());
    let faults: Vec<String> = field
        .iter()
        .filter_map(|(name, expected)| {
            let bytes = fs::read(folder().join(name)).unwrap();
            fault(name, &bytes, expected).map(|fault| format!("{name}: {fault}"))
        })
        .collect();
    assert_none(&faults, field.len());
}
