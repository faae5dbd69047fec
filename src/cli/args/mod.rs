//! Arguments that several commands share.
//!
//! - [`model`]: which model; [`settings`]: how it generates
//! - [`values`]: parsers of single values

pub mod model;
pub mod settings;
pub mod values;
