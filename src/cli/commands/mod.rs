//! One file per command: its arguments, and a thin function that runs it.

pub mod backup;
pub mod baseline;
pub mod completions;
pub mod config;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod export;
pub mod generate;
pub mod import;
pub mod init;
pub mod log;
pub mod man;
pub mod models;
pub mod queue;
pub mod reference;
pub mod review;
pub mod run;
pub mod runs;
pub mod sheet;
pub mod show;
pub mod subject;
pub mod verify;
pub mod workbench;
pub mod worker;
