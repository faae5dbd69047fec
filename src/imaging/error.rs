//! What can be wrong with a picture's file, in sentences.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the picture {} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },

    #[error("the picture {} cannot be read: it is {what}, not a file", path.display())]
    NotAFile { path: PathBuf, what: &'static str },

    #[error("the picture {} has {}, and the limit is {}; save a smaller copy", path.display(), mib(*bytes), mib(*limit))]
    FileTooLarge { path: PathBuf, bytes: u64, limit: u64 },

    #[error("{} is not a picture this program reads: {what}; it takes PNG, JPEG and WebP", path.display())]
    NotAPicture { path: PathBuf, what: String },

    #[error("the picture {} claims {width}×{height} pixels, and the limit is {limit}; save a smaller copy", path.display())]
    TooLarge { path: PathBuf, width: u32, height: u32, limit: String },

    #[error("the picture {} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },

    #[error("the picture {} {what}; save it as an ordinary RGB picture", path.display())]
    Unsupported { path: PathBuf, what: String },

    #[error(
        "the picture {} says more of itself than anybody writes: a text in it does not unpack, or to more than {} KiB; \
         save it again without its texts", path.display(), limit >> 10
    )]
    TooMuchText { path: PathBuf, limit: usize },

    #[error("the picture cannot be made into a PNG: {reason}")]
    Unencodable { reason: String },

    #[error("{} cannot be written: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1u64 << 20) as f64)
}
