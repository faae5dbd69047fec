//! The command line: one file per subcommand, thin.
//!
//! - `workbench`: the screen, with a worker beside it; `config`: what goes for all projects
//! - `demo`, `generate`, `doctor`, `completions`, `man`: the subcommands
//! - `init`, `subject`, `reference`, `run`, `queue`, `worker`, `upkeep`: the subcommands on a project
//! - `runs`, `show`, `log`, `diff`, `sheet`: its history; `review`, `baseline`: what people say of its pictures
//! - `export`, `import`: what leaves a project and enters another
//! - `facts`, `print`, `fit`, `lookup`, `pictures`, `confirm`, `settings`: what those share
//! - `making`: pictures made and written, with their provenance
//! - `project`: which project a command works on
//! - `model`: models as they are named here, and what suits the embedded one
//! - `progress`, `interrupt`: what is seen while it works, and stopping it
//! - `terminal`, `screen`: what the terminal can do, and pictures in it
//! - `failure`: from an error to a sentence and an exit status

mod baseline;
mod completions;
mod config;
mod confirm;
mod demo;
mod diff;
mod doctor;
mod export;
mod facts;
mod failure;
mod fit;
mod generate;
mod import;
mod init;
mod interrupt;
mod log;
mod lookup;
mod making;
mod man;
mod model;
mod pictures;
mod print;
mod progress;
mod project;
mod queue;
mod reference;
mod review;
mod run;
mod runs;
mod screen;
mod settings;
mod sheet;
mod show;
mod subject;
mod terminal;
mod upkeep;
mod workbench;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Flags, LogLevel};
use crate::logging;

/// Portraits with a reference, generated in this process: Stable Diffusion with IP-Adapter.
///
/// The prompt says what to make, the reference nudges who it should look like, and the settings say how strongly. A
/// reference guides; it promises no likeness, and nothing here identifies anybody.
#[derive(Parser)]
#[command(name = "pentimento", version, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    project: project::ProjectArguments,

    #[command(flatten)]
    images: terminal::ImageArguments,

    /// What goes to the log file: off, error, warn, info, debug or trace [default: $PENTIMENTO_LOG, else info]
    #[arg(long, value_name = "LEVEL", global = true, help_heading = "Log")]
    log: Option<LogLevel>,

    /// Without a command the workbench opens
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
    Queue(queue::Arguments),
    Worker(worker::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Sheet(sheet::Arguments),
    Backup(upkeep::Backup),
    Verify(upkeep::Verify),
    Config(config::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Reads the command line and does what it says.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule of the workbench, 130 stopped by Ctrl-C.
pub fn main() -> ExitCode {
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
        project::note(&error.to_string());
    }
    let done = match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
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
        Command::Queue(arguments) => queue::run(&arguments, &project),
        Command::Worker(arguments) => worker::run(&arguments, &project),
        Command::Export(arguments) => export::run(&arguments, &project),
        Command::Import(arguments) => import::run(&arguments, &project),
        Command::Sheet(arguments) => sheet::run(&arguments, &project),
        Command::Backup(arguments) => upkeep::backup(&arguments, &project),
        Command::Verify(arguments) => upkeep::verify(&arguments, &project),
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
