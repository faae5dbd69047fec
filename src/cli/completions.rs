//! `completions`: what a package ships for a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::CommandLine;

/// Print a script that completes commands and options in a shell
#[derive(Args)]
#[command(after_help = "Examples:\n  source <(pentimento completions bash)\n  \
                  pentimento completions fish > ~/.config/fish/completions/pentimento.fish")]
pub struct Arguments {
    /// The shell that the script is for
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "pentimento", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
