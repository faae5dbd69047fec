//! The store, driven on real SQLite files in temporary folders.

mod forgetting;
mod history;
mod opening;
mod processes;
mod project;
mod queue;
mod random;
mod rules;
mod upkeep;
