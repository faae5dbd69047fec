//! Parts that several screens are drawn from.

pub mod badge;
pub mod change;
pub mod cursor;
pub mod facts;
pub mod find;
pub mod grid;
pub mod hints;
pub mod input;
pub mod lines;
