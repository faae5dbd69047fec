//! The encoders that pictures need. The caller supplies them, because this module must not use `imaging`.

use image::RgbImage;

/// Encodes a picture of the final size; `None` if it cannot.
pub type Encode = fn(&RgbImage) -> Option<Vec<u8>>;

/// An encoder for each format that terminals accept.
#[derive(Clone, Copy)]
pub struct Codecs {
    pub png: Encode,
    pub jpeg: Encode,
    pub sixel: Encode,
}
