//! The pictures that a screen can show.

use crate::service::queue::Preview;
use crate::studio::reference::Picture;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// A file of the project, by its hash.
    Blob(blake3::Hash),
    /// The difference of two pictures, pixel by pixel.
    Difference(blake3::Hash, blake3::Hash),
    /// The preview of a running run.
    Preview(Preview),
}

impl Shown {
    /// A stored picture's thumbnail, or the picture itself if it has none.
    pub fn thumbnail(picture: &Picture) -> Self {
        Self::Blob(picture.thumbnail.unwrap_or(picture.blob))
    }

    /// A stored picture in full size.
    pub fn whole(picture: &Picture) -> Self {
        Self::Blob(picture.blob)
    }
}
