//! Pictures in and out of files.
//!
//! - [`open_picture`], [`decode_picture`]: a stranger's file becomes an upright sRGB picture, within limits
//! - [`write_png`], [`encode_png`]: a picture is there whole or not at all, and says that it was generated, how, and from what
//! - [`provenance`]: what it says; [`read_provenance`]: what a file says of itself, ours or another program's
//! - [`thumbnail()`]: a small copy, for lists
//! - [`difference()`]: how far two pictures are apart
//! - [`sheet`]: several pictures side by side, with captions
//! - [`wire`]: pictures in as few bytes as still look right, for terminals

mod colour;
mod difference;
mod error;
mod jpeg;
mod open;
mod parameters;
pub mod provenance;
pub mod read_provenance;
mod save;
pub mod sheet;
mod text;
mod thumbnail;
pub mod wire;

pub use difference::difference;
pub use error::Error;
pub use open::{LARGEST_FILE, LARGEST_PICTURE, LONGEST_SIDE, Opened, decode_picture, open_picture, read_file};
pub use provenance::Provenance;
pub use save::{check_target, encode_png, plain_png, write_png, write_whole};
pub use thumbnail::thumbnail;

pub type Result<T, E = Error> = std::result::Result<T, E>;
