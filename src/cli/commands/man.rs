//! `man`: the manual, with one page for the program and one for each subcommand.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueHint};
use clap_mangen::Man;

use crate::cli::output::print;

/// Print the manual page, or write the whole manual into a folder
///
/// The program's page lists the pages of its subcommands. --dir writes them all.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento man | man -l -\n  pentimento man --dir ~/.local/share/man/man1")]
pub struct Arguments {
    /// Write a page for the program and for each subcommand into this folder, which is created if needed
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // The manual needs no page for `help`. Building the command gives each subcommand its full name.
    let mut command = crate::cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &arguments.dir else {
        let mut text = Vec::new();
        page(command).render(&mut text)?;
        return Ok(io::stdout().write_all(&text)?);
    };
    let written = fs::create_dir_all(folder).and_then(|()| write(command, folder));
    written.map_err(|error| anyhow::anyhow!("cannot write the manual to {}: {error}", folder.display()))?;
    Ok(print::line(&format!("Wrote the manual to {}. It starts with pentimento.1.", folder.display()))?)
}

/// Writes the page of a command and those of its subcommands.
fn write(command: Command, folder: &Path) -> io::Result<()> {
    command.get_subcommands().try_for_each(|below| write(below.clone(), folder))?;
    page(command).generate_to(folder).map(drop)
}

fn page(command: Command) -> Man {
    Man::new(command).source(concat!("pentimento ", env!("CARGO_PKG_VERSION")))
}
