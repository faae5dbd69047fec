//! `man`: the manual, one page for the program and one for each subcommand.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory, ValueHint};
use clap_mangen::Man;

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
    // Without `help`, which has nothing to say in a manual. Built, a subcommand knows whose it is.
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &arguments.dir else {
        let mut text = Vec::new();
        page(command).render(&mut text)?;
        return Ok(io::stdout().write_all(&text)?);
    };
    let written = fs::create_dir_all(folder).and_then(|()| write(command, folder));
    written.map_err(|error| anyhow::anyhow!("the manual cannot be written to {}: {error}", folder.display()))?;
    Ok(print::line(&format!("The manual was written to {}; it begins with pentimento.1.", folder.display()))?)
}

/// The page of a command, and those of all below it.
fn write(command: Command, folder: &Path) -> io::Result<()> {
    command.get_subcommands().try_for_each(|below| write(below.clone(), folder))?;
    page(command).generate_to(folder).map(drop)
}

fn page(command: Command) -> Man {
    Man::new(command).source(concat!("pentimento ", env!("CARGO_PKG_VERSION")))
}
