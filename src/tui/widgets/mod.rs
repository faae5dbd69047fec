//! Pieces that several screens are drawn from.

pub mod badge;
pub mod change;
pub mod cursor;
pub mod grid;
pub mod input;
pub mod lines;
