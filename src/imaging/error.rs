//! Errors about image files.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },

    #[error("{} is {what}, not an image file: name a PNG, JPEG or WebP file", path.display())]
    NotAFile { path: PathBuf, what: &'static str },

    #[error("{} is too large ({}, limit {}): save a smaller copy", path.display(), mib(*bytes), mib(*limit))]
    FileTooLarge { path: PathBuf, bytes: u64, limit: u64 },

    #[error("{} is not a PNG, JPEG or WebP file ({what}): {advice}", path.display())]
    NotAPicture { path: PathBuf, what: &'static str, advice: &'static str },

    #[error("{} has too many pixels ({width}×{height}, limit {limit}): save a smaller copy", path.display())]
    TooLarge { path: PathBuf, width: u32, height: u32, limit: String },

    #[error("{} is damaged ({reason}): copy or download it again", path.display())]
    Damaged { path: PathBuf, reason: String },

    #[error("{} is not supported ({what}): save it as an 8-bit RGB image", path.display())]
    Unsupported { path: PathBuf, what: String },

    #[error(
        "the metadata of {} is too long or cannot be decompressed (limit {} KiB): save it again without metadata",
        path.display(), limit >> 10
    )]
    TooMuchText { path: PathBuf, limit: usize },

    #[error("cannot encode the picture as PNG: {reason}")]
    Unencodable { reason: String },

    #[error("cannot write {}: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1u64 << 20) as f64)
}
