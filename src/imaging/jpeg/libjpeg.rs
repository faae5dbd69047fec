//! libjpeg-turbo's decoder and encoder, as MozJPEG contains it, behind two safe functions.

use std::ffi::{CStr, c_char, c_int};

use image::RgbImage;
// Links libjpeg.
use mozjpeg_sys as _;

/// What a JPEG's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    /// 1: grey, 3: red, green and blue.
    pub channels: u8,
}

/// Why a JPEG cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Truncated,
    Damaged(String),
    TooManyScans,
}

/// `struct pentimento_jpeg` in libjpeg.c.
#[repr(C)]
struct Jpeg {
    width: u32,
    height: u32,
    channels: u32,
    message: [c_char; 200],
}

unsafe extern "C" {
    fn pentimento_jpeg_decode(bytes: *const u8, length: usize, pixels: *mut u8, size: usize, jpeg: *mut Jpeg) -> c_int;
    fn pentimento_jpeg_encode(
        pixels: *const u8,
        width: u32,
        height: u32,
        quality: c_int,
        bytes: *mut *mut u8,
        length: *mut usize,
    ) -> c_int;
    fn pentimento_jpeg_free(bytes: *mut u8);
}

/// Reads the header, without allocating memory for pixels.
pub(super) fn read_header(bytes: &[u8]) -> Result<Header, Failure> {
    decode(bytes, None)
}

/// Decodes all pixels of a picture whose header is known. They are in rows from the top, without padding.
pub(super) fn read_pixels(bytes: &[u8], header: Header) -> Result<Vec<u8>, Failure> {
    let size = header.width as usize * header.height as usize * usize::from(header.channels);
    let mut pixels = vec![0; size];
    decode(bytes, Some(&mut pixels))?;
    Ok(pixels)
}

/// Encodes a baseline JPEG.
pub(super) fn encode(picture: &RgbImage, quality: u8) -> Option<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let mut bytes = std::ptr::null_mut();
    let mut length = 0;
    // SAFETY: an RgbImage holds width × height × 3 bytes, and the function only reads them.
    let done = unsafe {
        pentimento_jpeg_encode(picture.as_ptr(), width, height, c_int::from(quality), &mut bytes, &mut length)
    };
    if done == 0 || bytes.is_null() {
        return None;
    }
    // SAFETY: the function returned `length` bytes, which nobody else uses.
    let encoded = unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec();
    // SAFETY: the bytes come from pentimento_jpeg_encode and are freed once.
    unsafe { pentimento_jpeg_free(bytes) };
    Some(encoded)
}

fn decode(bytes: &[u8], pixels: Option<&mut [u8]>) -> Result<Header, Failure> {
    let mut jpeg = Jpeg { width: 0, height: 0, channels: 0, message: [0; 200] };
    let (pointer, size) = pixels.map_or((std::ptr::null_mut(), 0), |pixels| (pixels.as_mut_ptr(), pixels.len()));
    // SAFETY: both buffers are as long as they are said to be. The function writes pixels only if `size` is the picture's.
    let outcome = unsafe { pentimento_jpeg_decode(bytes.as_ptr(), bytes.len(), pointer, size, &mut jpeg) };
    match outcome {
        // A valid header has 1 or 3 channels.
        0 => Ok(Header { width: jpeg.width, height: jpeg.height, channels: jpeg.channels as u8 }),
        2 => Err(Failure::Truncated),
        4 => Err(Failure::TooManyScans),
        _ => {
            jpeg.message[199] = 0;
            // SAFETY: the message ends with a zero, at the latest in its last byte.
            let message = unsafe { CStr::from_ptr(jpeg.message.as_ptr()) };
            Err(Failure::Damaged(message.to_string_lossy().into_owned()))
        }
    }
}
