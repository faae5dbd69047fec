//! Bundles move data between projects: subjects with their consents, references, runs, outputs, reviews, baselines and
//! presets.
//!
//! - [`rows`]: the rows of a bundle, identified by UUIDs
//! - [`export`]: reads rows from a project; [`import`]: adds them to a project, with the rules for consent
//! - `check`: validates rows, which may come from anyone
//! - [`archive`]: a bundle as a zip file; [`parcel`]: a bundle to import
//! - [`picture`]: an image with provenance, as a bundle of one run
//! - [`report`]: what an import did

pub mod archive;
mod check;
pub mod export;
pub mod import;
pub mod parcel;
pub mod picture;
pub mod report;
pub mod rows;

pub use export::Selection;
pub use parcel::Parcel;
pub use report::{Count, Remark, Report, SubjectReport};
pub use rows::Bundle;
