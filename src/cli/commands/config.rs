//! `config`: shows and changes the settings that apply to all projects.

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::output::print;
use crate::cli::output::terminal::Terminal;
use crate::config::file::Key;
use crate::config::{self, Config, ImageMode, Origin};
use crate::studio::text::clean;
use crate::terminal::colours::Colours;
use crate::tui::theme::{BadTheme, Theme};

/// Show each setting and where it comes from, or change one
#[derive(Args)]
#[command(
    after_help = "The folder may also hold keymap.toml, which changes keys, and themes/, with your own themes.\n\nExamples:\n  pentimento config themes\n  \
                  pentimento config set theme paper"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Show each theme in its own colours
    Themes,
    /// Change a value
    Set {
        name: Name,
        /// The new value; an empty one restores the default
        value: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// The workbench's colours
    Theme,
    /// Who signs reviews [default: your user name]
    Reviewer,
    /// How images are shown: auto, kitty, sixel, iterm2, halfblocks or off
    Images,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => show(arguments.json),
        Some(Command::Themes) => themes(arguments.json),
        Some(Command::Set { name, value }) => set(*name, value),
    }
}

fn show(json: bool) -> anyhow::Result<()> {
    let config = readable()?;
    let folder = config.folders.config.as_deref();
    let folder = folder.map_or("none: HOME is not set".to_owned(), |folder| folder.display().to_string());
    let theme = config.theme.value.as_deref().unwrap_or(Theme::DEFAULT);
    let project = config.project.as_ref().map(|project| project.value.display().to_string());
    let values = [
        ("theme", theme.to_owned(), &config.theme.origin),
        ("reviewer", config.reviewer.value.clone(), &config.reviewer.origin),
        ("images", config.images.value.to_string(), &config.images.origin),
        ("colour", config.colour.value.to_string(), &config.colour.origin),
        ("log", config.log.value.to_string(), &config.log.origin),
        (
            "project",
            project.clone().unwrap_or_else(|| "not set".to_owned()),
            config.project.as_ref().map_or(&Origin::Default, |project| &project.origin),
        ),
    ];
    if json {
        let origins: Map<String, Value> =
            values.iter().map(|(name, _, origin)| ((*name).to_owned(), json!(origin.to_string()))).collect();
        print::document(&json!({
            "folder": folder, "theme": theme, "reviewer": config.reviewer.value,
            "images": config.images.value.to_string(), "colour": config.colour.value,
            "log": config.log.value.to_string(), "project": project, "origin": origins,
        }))?;
    } else {
        let shown = values.iter().map(|(name, value, origin)| (*name, format!("{} ({origin})", clean(value))));
        let lines: Vec<_> = [("folder", clean(&folder))].into_iter().chain(shown).collect();
        print::pairs(&lines)?;
    }
    Ok(())
}

/// The settings. Fails on an error in `config.toml`, because the user fixes such errors with this command.
fn readable() -> anyhow::Result<&'static Config> {
    let config = Config::current();
    match config.errors.iter().find(|error| error.is_in_file()) {
        Some(error) => Err(error.clone().into()),
        None => Ok(config),
    }
}

fn themes(json: bool) -> anyhow::Result<()> {
    let own = Config::current().folders.themes();
    let names = Theme::names(own.as_deref());
    if json {
        let about = |name: &String| Some(Theme::named(name, Colours::None, own.as_deref()).ok()?.about);
        let themes = names.iter().map(|name| json!({ "name": name, "about": about(name) }));
        print::document(&json!({ "themes": themes.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let colours = Terminal::on_stdout().capabilities.colours;
    let lines = names.iter().flat_map(|name| match Theme::named(name, colours, own.as_deref()) {
        Ok(theme) => [format!("{name}: {}", clean(&theme.about)), format!("  {}", theme.swatch())],
        Err(error) => [format!("{name}: {error}"), String::new()],
    });
    Ok(print::lines(lines)?)
}

fn set(name: Name, value: &str) -> anyhow::Result<()> {
    let folders = &readable()?.folders;
    let value = Some(clean(value).trim().to_owned()).filter(|value| !value.is_empty());
    let key = match (name, &value) {
        (Name::Theme, None) => Key::Theme,
        (Name::Theme, Some(theme)) => match Theme::named(theme, Colours::True, folders.themes().as_deref()) {
            Ok(_) => Key::Theme,
            Err(error @ BadTheme::Unknown { .. }) => bail!("{error}. Run `pentimento config themes` to see them"),
            Err(error) => bail!(error),
        },
        (Name::Reviewer, _) => Key::Reviewer,
        (Name::Images, None) => Key::Images,
        (Name::Images, Some(mode)) => match mode.parse::<ImageMode>() {
            Ok(_) => Key::Images,
            Err(advice) => bail!("invalid images {mode:?}: {advice}"),
        },
    };
    let path = folders.config_file().ok_or(config::Error::NoFolder)?;
    Ok(config::file::set(&path, key, value.as_deref())?)
}
