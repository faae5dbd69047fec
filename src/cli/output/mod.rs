//! What commands write: text and JSON on stdout, notes and progress on stderr, pictures in the terminal.
//!
//! - [`print`]: lines, tables and notes; [`fit`]: the width of stdout and of columns
//! - [`describe`]: values as people read them
//! - [`facts`]: the objects of `--json`
//! - [`progress`]: the progress bar of a generation
//! - [`tables`]: tables that several commands print
//! - [`screen`]: pictures in the terminal; [`terminal`]: what the terminal can show

pub mod describe;
pub mod facts;
pub mod fit;
pub mod print;
pub mod progress;
pub mod screen;
pub mod tables;
pub mod terminal;
