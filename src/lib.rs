//! pentimento: a workbench for portraits with a reference.
//!
//! The map, one line per module; `tests/architecture.rs` holds who may see whom.
//!
//! - [`studio`]: the domain in plain types, no input or output: subjects, rights, prompts, runs, their deltas, the rules
//! - [`diffusion`]: the pipeline on candle: text, reference, UNet, samplers, pictures
//! - [`imaging`]: pictures in and out of files: limits, orientation, colour, provenance, contact sheets
//! - [`store`]: a project on disk: SQLite and blobs, the only place that knows SQL
//! - [`worker`]: claims queued runs, drives diffusion, stores what comes out; the one place where these meet
//! - [`service`]: the use cases that the command line and the workbench share
//! - [`terminal`]: raw mode and its undoing, signals, what the terminal can, pictures in it, the clipboard
//! - [`tui`]: the workbench: state, keys, screens; draws what the store says
//! - [`cli`]: one file per subcommand, thin

pub mod cli;
pub mod diffusion;
pub mod imaging;
pub mod service;
pub mod store;
pub mod studio;
pub mod terminal;
pub mod tui;
pub mod worker;
