//! The command line: one file per subcommand, thin.
//!
//! - `demo`, `generate`, `doctor`, `completions` (and `man`): the subcommands
//! - `making`: pictures made and written, with their provenance
//! - `project`: which project a command works on
//! - `model`: from what was typed to a checkpoint, an adapter and their hashes
//! - `progress`, `interrupt`: what is seen while it works, and stopping it
//! - `terminal`, `show`: what the terminal can do, and pictures in it
//! - `failure`: from an error to a sentence and an exit status

mod completions;
mod demo;
mod doctor;
mod failure;
mod generate;
mod interrupt;
mod making;
mod model;
mod progress;
mod project;
mod show;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Portraits with a reference, generated in this process: Stable Diffusion with IP-Adapter.
///
/// The prompt says what to make, the reference nudges who it should look like, and the settings say how strongly. A
/// reference guides; it promises no likeness, and nothing here identifies anybody.
#[derive(Parser)]
#[command(name = "pentimento", version, arg_required_else_help = true, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    project: project::ProjectArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Generate(Box<generate::Arguments>),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    Man(completions::Man),
}

/// Reads the command line and does what it says.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule of the workbench, 130 stopped by Ctrl-C.
pub fn main() -> ExitCode {
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => return failure::usage(&error),
    };
    let done = match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => completions::man(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
