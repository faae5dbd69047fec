//! Layers: what opens over a screen and takes the keys. One file each.

pub mod confirm;
pub mod consent;
pub mod explanation;
pub mod help;
pub mod import;
pub mod palette;
pub mod presets;
pub mod prompt;

mod action_line;
mod place;
