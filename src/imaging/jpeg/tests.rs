//! Tests of completeness and damage. `tests/pictures` compares pixels with libjpeg-turbo's.

use super::*;

fn picture() -> RgbImage {
    RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, 90]))
}

fn read(bytes: &[u8]) -> Result<Decoded, Refusal> {
    decode(bytes, |_, _, _| Ok(()))
}

fn encoded() -> Vec<u8> {
    encode(&picture(), 90).unwrap()
}

#[test]
fn a_picture_survives_encoding() {
    let decoded = read(&encoded()).unwrap().picture.to_rgb8();
    let worst = decoded.as_raw().iter().zip(picture().as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(worst < 16, "{worst}");
}

#[test]
fn every_truncated_file_is_refused() {
    let bytes = encoded();
    let whole = read(&bytes).unwrap().picture;
    // Only the end marker may be missing.
    for length in 2..bytes.len() - 2 {
        // The last byte before the end marker may be padding alone.
        match read(&bytes[..length]) {
            Err(refusal) => assert!(matches!(refusal, Refusal::Damaged(_)), "{length}: {refusal:?}"),
            Ok(decoded) => assert!(decoded.picture == whole, "{length} of {}", bytes.len()),
        }
    }
    assert!(read(&bytes[..bytes.len() / 2]).is_err());
    assert!(read(&bytes[..bytes.len() - 2]).unwrap().picture == whole);
}

#[test]
fn a_truncated_file_with_an_end_marker_is_refused() {
    let mut bytes = encoded();
    let half = bytes.len() * 3 / 4;
    bytes.truncate(half);
    bytes.extend([0xff, 0xd9]);
    assert_eq!(read(&bytes).err(), Some(Refusal::Damaged("it is truncated".to_owned())));
}

#[test]
fn bytes_after_the_end_are_ignored() {
    let mut bytes = encoded();
    bytes.extend_from_slice(b"a phone's second picture");
    assert!(read(&bytes).is_ok());
}

/// A header may claim any size, so nothing is allocated before the size is allowed, and decoding ends with the data.
#[test]
fn a_small_file_of_a_huge_picture_is_truncated() {
    let mut bytes = encoded();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x1c, 0xe8, 0x2e, 0xdf]);
    let refused = decode(&bytes, |width, height, _| {
        assert_eq!((width, height), (11_999, 7_400));
        Err::<(), _>(Refusal::Damaged("not allowed".to_owned()))
    });
    assert_eq!(refused.err(), Some(Refusal::Damaged("not allowed".to_owned())));
    let began = std::time::Instant::now();
    assert_eq!(read(&bytes).err(), Some(Refusal::Damaged("it is truncated".to_owned())));
    assert!(began.elapsed().as_secs_f64() < 0.5, "{:?}", began.elapsed());
}

#[test]
fn other_sample_sizes_are_named() {
    let mut bytes = encoded();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 4] = 12;
    assert_eq!(read(&bytes).err(), Some(Refusal::Unsupported("a JPEG with 12 bits per sample".to_owned())));
}
