//! Reads and writes image files.
//!
//! - [`open_picture`], [`decode_picture`]: read an untrusted file as an upright sRGB picture, within limits
//! - [`write_png`], [`encode_png`]: write a PNG with its provenance
//! - [`provenance`]: what a generated picture says about itself; [`read_provenance`]: reads this, also from files of other
//!   programs
//! - `kind`: what a file is, by its bytes; `jpeg`: libjpeg-turbo; `webp`: the container around a WebP's pixels
//! - `metadata`: texts in PNG, JPEG and WebP files; `programs`: what other programs' texts mean
//! - [`thumbnail()`]: small copies for lists
//! - [`difference()`]: the difference of two pictures
//! - [`sheet`]: contact sheets with captions
//! - [`compact`]: lossy encoders for terminals

mod colour;
pub mod compact;
mod difference;
mod error;
mod jpeg;
mod kind;
mod metadata;
mod open;
mod programs;
pub mod provenance;
pub mod read_provenance;
mod save;
pub mod sheet;
mod text;
mod thumbnail;
mod webp;

pub use difference::difference;
pub use error::Error;
pub use open::{MAX_DECODED_BYTES, MAX_FILE_BYTES, MAX_SIDE, OpenedPicture, decode_picture, open_picture, read_file};
pub use provenance::Provenance;
pub use save::{check_target, encode_png, plain_png, write_atomically, write_png};
pub use thumbnail::thumbnail;

pub type Result<T, E = Error> = std::result::Result<T, E>;
