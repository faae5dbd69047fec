//! Claims queued runs, generates their pictures and stores them, so that the queue survives any crash.
//!
//! A [`Worker`] is the handle of one thread for one device. The database records what it does; the handle starts, wakes
//! and stops it.
//!
//! - `serve`: the loop: lease the device, claim a run, generate it, repeat
//! - `generate`: one run from its claim to its last picture; `observe`: one seed on its way through the pipeline
//! - `loaded`: the model in memory; [`model`]: finds a model's files by name and hashes them
//! - `output`: a finished picture as a file, and its thumbnail; [`provenance`]: what the file says about the picture
//! - `heartbeat`: renews the leases while the worker generates
//! - `reporter`: tells other processes what the worker does; `process`: tells dead processes from living ones
//! - `disk_space`: free space on the disk, and a reserve for when there is none
//! - [`gpu`]: memory and load of the graphics card

mod disk_space;
mod error;
mod generate;
pub mod gpu;
mod handle;
mod heartbeat;
mod interruption;
mod loaded;
pub mod model;
mod observe;
mod options;
mod output;
mod process;
pub mod provenance;
mod reporter;
mod retry;
mod serve;
mod shared;
mod state;

pub use error::{Error, Result};
pub use handle::{Worker, WorkerWaker};
pub use options::{Options, Until};
pub use reporter::release_dead_workers;
pub use shared::Stop;
pub use state::{Outcome, WorkerEvent, WorkerState};
