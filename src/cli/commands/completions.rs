//! `completions`: prints a shell's completion script.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

/// Print a script that completes commands and options in a shell
#[derive(Args)]
#[command(after_help = "Examples:\n  source <(pentimento completions bash)\n  \
                  pentimento completions fish > ~/.config/fish/completions/pentimento.fish")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::cli::command(), "pentimento", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
