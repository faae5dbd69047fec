//! The real program, driven from outside: what it prints, what it writes, how it fails.

mod bundles;
mod checkpoints;
mod demo;
mod doctor;
mod generate;
mod outputs;
mod pictures;
mod project;
mod signals;
mod support;
