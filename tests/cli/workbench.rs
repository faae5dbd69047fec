//! The workbench: every screen as it is drawn, and a whole loop through the real program in a terminal.

mod looped;
mod screens;
