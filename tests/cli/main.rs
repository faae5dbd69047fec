//! The real program, driven from outside: what it prints, what it writes, how it fails.

mod checkpoints;
mod demo;
mod doctor;
mod generate;
#[cfg(target_os = "linux")]
mod hardship;
mod outputs;
mod pictures;
mod project;
mod signals;
mod support;
