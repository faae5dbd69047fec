//! The workbench: snapshots of every screen, what a user can trust, and the whole loop in a real terminal.

mod driver;
mod late;
mod screens;
mod terminal;
mod trust;
mod whole_loop;
