//! The store, driven on real SQLite files in temporary folders.

mod bundles;
mod forgetting;
mod history;
mod hostile;
mod leftovers;
mod migrating;
mod moving;
mod opening;
mod processes;
mod project;
mod proving;
mod queue;
mod random;
mod reviews;
mod rules;
mod schema;
mod upkeep;
