//! `completions` and `man`: what a package ships beside the program.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::CommandLine;

/// Print a completion script for a shell
#[derive(Args)]
pub struct Arguments {
    shell: Shell,
}

/// Print the manual page
#[derive(Args)]
pub struct Man {}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "pentimento", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

pub fn man(_: &Man) -> anyhow::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(CommandLine::command()).render(&mut page)?;
    Ok(std::io::stdout().write_all(&page)?)
}
