//! Layers: what opens over a screen and takes the keys. One file each.

pub mod changes;
pub mod confirm;
pub mod consent;
pub mod help;
pub mod import;
pub mod palette;
pub mod presets;
pub mod problem;
pub mod prompt;

mod action_line;
mod place;
