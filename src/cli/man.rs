//! `man`: the manual, one page for the program and one for each subcommand.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory, ValueHint};

use super::{CommandLine, print};

/// Print the manual page, or write the whole manual into a folder
///
/// The page of the program lists the pages of its subcommands, which --dir writes beside it.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento man | man -l -\n  pentimento man --dir ~/.local/share/man/man1")]
pub struct Arguments {
    /// Write a page for the program and for every subcommand into this folder, which is made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Without `help`, which has nothing to say in a manual.
    let command = CommandLine::command().disable_help_subcommand(true);
    let Some(folder) = &arguments.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(std::io::stdout().write_all(&page)?);
    };
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| anyhow::anyhow!("the manual cannot be written to {}: {error}", folder.display()))?;
    Ok(print::line(&format!("The manual was written to {}; it begins with pentimento.1.", folder.display()))?)
}
