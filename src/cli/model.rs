//! Models as the command line names them, and what suits the embedded one.

pub use crate::worker::model::{Ingredients, MINI, choose};

/// Where the embedded model keeps to the prompt without overcooking (its card has the figures).
pub const MINI_GUIDANCE: f64 = 3.0;
/// More steps than this change little in its pictures.
pub const MINI_STEPS: usize = 16;
