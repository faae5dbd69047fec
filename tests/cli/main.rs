//! Runs the real program: what it prints, what it writes, how it fails.

mod bundles;
mod checkpoints;
mod config;
mod convert;
mod demo;
mod doctor;
mod foreign;
mod generate;
#[cfg(target_os = "linux")]
mod hardship;
mod history;
mod logfile;
mod manual;
mod metadata;
mod outputs;
mod pictures;
mod project;
mod references;
mod reviews;
mod runs;
mod signals;
mod subjects;
mod support;
#[cfg(unix)]
mod workbench;
