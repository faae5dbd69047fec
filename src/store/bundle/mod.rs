//! What leaves a project and enters another: subjects with their rights, references, runs, outputs, reviews and
//! baselines, and presets.
//!
//! - [`rows`]: the form in which they travel, by their UUIDs; the project's own keys stay at home
//! - [`export`]: reading them; [`import`]: putting them into another project, where they are checked like anything from
//!   outside, and the rule for rights that were withdrawn
//! - `check`: from rows to values that the domain allows
//! - [`archive`]: rows and blobs in one file, and out of one that a stranger may have made
//! - [`picture`]: one picture that tells how it was made, as such rows
//! - [`report`]: what an import did

pub mod archive;
mod check;
pub mod export;
pub mod import;
pub mod picture;
pub mod report;
pub mod rows;

pub use export::Selection;
pub use import::Parcel;
pub use report::{Count, Imported, Remark, Report};
pub use rows::Bundle;
