//! The command line.
//!
//! - [`commands`]: one file per command, thin over `service`
//! - [`args`]: arguments that several commands share; [`output`]: what commands print
//! - `project`: finds and opens the project; `lookup`: who reviews
//! - `generation`: generates pictures into files; `files`: picture files
//! - `confirm`: asks before a deletion; `interrupt`: signals
//! - `failure`: from an error to a message and an exit status

mod args;
mod commands;
mod confirm;
mod failure;
mod files;
mod generation;
mod interrupt;
mod lookup;
mod output;
mod project;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Config, Flags, LogLevel};
use crate::{logging, terminal};

use commands::{
    backup, baseline, completions, config, demo, diff, doctor, export, generate, import, init, log, man, models, queue,
    reference, review, run, runs, sheet, show, subject, verify, workbench, worker,
};

/// A workbench for portraits with a reference, generated locally with Stable Diffusion and IP-Adapter.
///
/// The prompt describes the picture, the reference steers the appearance, and the settings balance them. IP-Adapter does
/// not guarantee a likeness, and nothing in this program identifies a person.
#[derive(Parser)]
#[command(name = "pentimento", version, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    project: project::ProjectArguments,

    #[command(flatten)]
    images: output::terminal::ImageArguments,

    /// The level of the log file: off, error, warn, info, debug or trace [default: $PENTIMENTO_LOG, else info]
    #[arg(long, value_name = "LEVEL", global = true, help_heading = "Log")]
    log: Option<LogLevel>,

    /// The command; without one, the workbench opens
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
enum Command {
    Demo(demo::Arguments),
    Generate(Box<generate::Arguments>),
    Doctor(doctor::Arguments),
    Init(init::Arguments),
    Subject(subject::Arguments),
    #[command(name = "ref")]
    Reference(reference::Arguments),
    Run(Box<run::Arguments>),
    Runs(runs::Arguments),
    Show(show::Arguments),
    Log(log::Arguments),
    Diff(diff::Arguments),
    Review(review::Review),
    Accept(review::Accept),
    Reject(review::Reject),
    Baseline(baseline::Arguments),
    Models(models::Arguments),
    Queue(queue::Arguments),
    Worker(worker::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Sheet(sheet::Arguments),
    Backup(backup::Arguments),
    Verify(verify::Arguments),
    Config(config::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The whole command tree, for completions, manuals and docs/cli.md.
pub fn command() -> clap::Command {
    CommandLine::command()
}

/// Runs the command of this process.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule of the workbench, 130 stopped by Ctrl-C.
pub fn main() -> ExitCode {
    let status = run();
    // The shell would take the terminal's late replies for input.
    terminal::settle();
    status
}

fn run() -> ExitCode {
    let CommandLine { project, images, log, command } = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return failure::usage(&error),
    };
    let flags = Flags { project: project.project.clone(), images: images.images, log };
    let config = Config::init(&flags);
    logging::start(config.log.value, &config.folders);
    let name = command.as_ref().map_or("workbench", |command| command.into());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), command = name, "start");
    let Some(command) = command else {
        return workbench::run(&project).map_or_else(|error| failure::report(&error), |()| ExitCode::SUCCESS);
    };
    // `config` itself fails on errors in its file.
    let is_config = matches!(command, Command::Config(_));
    for error in config.errors.iter().filter(|error| !(is_config && error.is_in_file())) {
        output::print::note(&error.to_string());
    }
    let done = match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments, &project),
        Command::Init(arguments) => init::run(&arguments, &project),
        Command::Subject(arguments) => subject::run(&arguments, &project),
        Command::Reference(arguments) => reference::run(&arguments, &project),
        Command::Run(arguments) => run::run(&arguments, &project),
        Command::Runs(arguments) => runs::run(&arguments, &project),
        Command::Show(arguments) => show::run(&arguments, &project),
        Command::Log(arguments) => log::run(&arguments, &project),
        Command::Diff(arguments) => diff::run(&arguments, &project),
        Command::Review(arguments) => review::review(&arguments, &project),
        Command::Accept(arguments) => review::accept(&arguments, &project),
        Command::Reject(arguments) => review::reject(&arguments, &project),
        Command::Baseline(arguments) => baseline::run(&arguments, &project),
        Command::Models(arguments) => models::run(&arguments),
        Command::Queue(arguments) => queue::run(&arguments, &project),
        Command::Worker(arguments) => worker::run(&arguments, &project),
        Command::Export(arguments) => export::run(&arguments, &project),
        Command::Import(arguments) => import::run(&arguments, &project),
        Command::Sheet(arguments) => sheet::run(&arguments, &project),
        Command::Backup(arguments) => backup::run(&arguments, &project),
        Command::Verify(arguments) => verify::run(&arguments, &project),
        Command::Config(arguments) => config::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    match done {
        Ok(()) => {
            tracing::info!("done");
            ExitCode::SUCCESS
        }
        Err(error) => failure::report(&error),
    }
}
