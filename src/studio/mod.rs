//! The domain in plain types, without I/O. Imports no other module of the crate.

pub mod account;
pub mod consent;
pub mod controls;
pub mod delta;
pub mod draft;
pub mod edit;
pub mod failures;
pub mod filter;
pub mod ids;
pub mod lineage;
mod names;
pub mod output;
pub mod output_key;
pub mod prompt;
pub mod queue;
pub mod recipe;
pub mod reference;
pub mod review;
pub mod rules;
pub mod run;
pub mod seeds;
pub mod settings;
pub mod state;
pub mod subject;
pub mod text;
pub mod variable;
pub mod words;
