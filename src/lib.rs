//! pentimento: a workbench for portraits with a reference.
//!
//! `docs/architecture.md` describes the modules; `tests/architecture.rs` checks which of them may use which.
//!
//! - [`config`]: settings from flags, environment, file and defaults
//! - [`logging`]: the log file
//! - [`studio`]: the domain as plain types, without I/O: subjects, consents, prompts, runs, deltas, rules, reviews
//! - [`imaging`]: image files: limits, orientation, colour, provenance, contact sheets
//! - [`store`]: a project on disk: SQLite and blobs; the only module that contains SQL
//! - [`diffusion`]: the pipeline on candle: text encoder, image encoder, adapter, UNet, schedulers, VAE
//! - [`terminal`]: raw mode, signals, what the terminal can do, images in it, the clipboard
//! - [`worker`]: claims queued runs, generates their images and stores them
//! - [`service`]: the use cases that the command line and the workbench share
//! - [`tui`]: the workbench: state, keys, screens
//! - [`cli`]: the command line, one file per command, thin over `service`

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used))]

pub mod cli;
pub mod config;
pub mod diffusion;
pub mod imaging;
pub mod logging;
pub mod service;
pub mod store;
pub mod studio;
pub mod terminal;
pub mod tui;
pub mod worker;
