//! The domain in plain types, without input or output. Sees no other module.

pub mod account;
pub mod consent;
pub mod controls;
pub mod delta;
pub mod draft;
pub mod failures;
pub mod filter;
pub mod ids;
pub mod lineage;
pub mod prompt;
pub mod queue;
pub mod reference;
pub mod review;
pub mod rules;
pub mod run;
pub mod settings;
pub mod subject;
pub mod text;
pub mod words;
