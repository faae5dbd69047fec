//! `config`: what a person has chosen for all projects, and what there is to choose from.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::project::config_folder;
use super::terminal::Terminal;
use super::{lookup, print};
use crate::imaging;
use crate::studio::text::clean;
use crate::terminal::colours::Colours;
use crate::terminal::verdict::Wish;
use crate::tui::theme::{BadTheme, Theme};

/// See and change what goes for all projects: the theme, the name that reviews are signed with, how pictures are shown
#[derive(Args)]
#[command(
    after_help = "Keys are changed in keymap.toml, and themes of your own lie in themes/, both in the folder that \
                  `pentimento config` names.\n\nExamples:\n  pentimento config themes\n  \
                  pentimento config set theme paper"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// One JSON document instead of text
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
        /// An empty value takes it away
        value: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// The colours of the workbench
    Theme,
    /// Who reviews; without it the name of the user
    Reviewer,
    /// How pictures are shown: auto, kitty, sixel, iterm2, halfblocks or off
    Images,
}

/// `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    /// How pictures are shown, where neither an option nor the environment says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => show(arguments.json),
        Some(Command::Themes) => themes(arguments.json),
        Some(Command::Set { name, value }) => set(*name, value),
    }
}

impl Config {
    /// What the file says; nothing where there is none.
    pub fn load() -> anyhow::Result<Self> {
        let Some(path) = file() else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let bad = |error: toml::de::Error| format!("{} cannot be read: {}", path.display(), error.message());
        toml::from_str(&text).map_err(|error| anyhow::anyhow!(bad(error)))
    }
}

/// Themes of one's own.
pub fn own_themes() -> Option<PathBuf> {
    Some(config_folder()?.join("themes"))
}

fn file() -> Option<PathBuf> {
    Some(config_folder()?.join("config.toml"))
}

fn show(json: bool) -> anyhow::Result<()> {
    let config = Config::load()?;
    let folder = config_folder().map_or("none: HOME is not set".to_owned(), |folder| folder.display().to_string());
    let images = config.images.clone().unwrap_or_else(|| "auto".to_owned());
    let theme = config.theme.clone().unwrap_or_else(|| Theme::USUAL.to_owned());
    if json {
        print::document(
            &json!({ "folder": folder, "theme": theme, "reviewer": lookup::reviewer(None), "images": images }),
        )?;
    } else {
        print::pairs(&[
            ("folder", clean(&folder)),
            ("theme", clean(&theme)),
            ("reviewer", clean(&lookup::reviewer(None))),
            ("images", clean(&images)),
        ])?;
    }
    Ok(())
}

fn themes(json: bool) -> anyhow::Result<()> {
    let own = own_themes();
    let names = Theme::names(own.as_deref());
    if json {
        let about = |name: &String| Some(Theme::named(name, Colours::None, own.as_deref()).ok()?.about);
        let themes = names.iter().map(|name| json!({ "name": name, "about": about(name) }));
        print::document(&json!({ "themes": themes.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let colours = Terminal::on_stdout().verdict.colours;
    let lines = names.iter().flat_map(|name| match Theme::named(name, colours, own.as_deref()) {
        Ok(theme) => [format!("{name}: {}", clean(&theme.about)), format!("  {}", theme.swatch())],
        Err(error) => [format!("{name}: {error}"), String::new()],
    });
    Ok(print::lines(lines)?)
}

fn set(name: Name, value: &str) -> anyhow::Result<()> {
    let mut config = Config::load()?;
    let value = Some(clean(value).trim().to_owned()).filter(|value| !value.is_empty());
    match name {
        Name::Theme => {
            if let Some(theme) = &value {
                match Theme::named(theme, Colours::True, own_themes().as_deref()) {
                    Ok(_) => {}
                    Err(error @ BadTheme::Unknown { .. }) => bail!("{error}; `pentimento config themes` shows each"),
                    Err(error) => bail!(error),
                }
            }
            config.theme = value;
        }
        Name::Reviewer => config.reviewer = value,
        Name::Images => {
            value.as_deref().map(str::parse::<Wish>).transpose().map_err(anyhow::Error::msg)?;
            config.images = value;
        }
    }
    let path = file().context("HOME is not set, so there is no place to keep it; set HOME")?;
    let folder = path.parent().context("the folder of the settings has no name")?;
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    imaging::write_whole(&path, toml::to_string(&config)?.as_bytes())?;
    Ok(())
}
