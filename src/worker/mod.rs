//! What claims queued runs, drives diffusion, and stores what comes out, so that a queue survives anything.
//!
//! A [`Worker`] is a handle on one thread for one device. What it does can be read in the database; the handle starts
//! it, wakes it, stops it, and says what it is at.
//!
//! - `serve`: the loop: hold the device, claim, make, again
//! - `make`: one run from its claim to its last picture; `watch`: one seed through the pipeline
//! - `output`: a picture becomes a file that says what it is, with its thumbnail
//! - [`provenance`]: what a generated picture records about itself
//! - `pulse`: signs of life, beside the work
//! - `room`: space on the disk, and what is given up when there is none
//! - [`device`]: what the graphics card says of itself
//! - [`model`]: from a model's name to its files and their hashes

pub mod device;
mod error;
mod handle;
mod make;
pub mod model;
mod output;
pub mod provenance;
mod pulse;
mod room;
mod serve;
mod watch;

pub use error::{Error, Result};
pub use handle::{Ended, News, Options, State, Stop, Until, Waker, Worker};
