//! `completions`: what a package ships for a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::CommandLine;

/// Print a completion script for a shell
#[derive(Args)]
pub struct Arguments {
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "pentimento", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
