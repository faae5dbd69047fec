//! pentimento: a workbench for portraits with a reference.
//!
//! The map, one line per module; `tests/architecture.rs` holds who may see whom.
//!
//! - [`studio`]: the domain in plain types, no input or output: settings, samplers' names
//! - [`diffusion`]: the pipeline on candle: text, reference, UNet, samplers, pictures
//! - [`imaging`]: pictures in and out of files: limits, orientation, colour, provenance, contact sheets
//! - [`cli`]: one file per subcommand, thin

pub mod cli;
pub mod diffusion;
pub mod imaging;
pub mod studio;
