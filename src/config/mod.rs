//! The user's settings: command-line flags, environment variables, `config.toml` and defaults, in that order.
//!
//! [`Config::load`] reads all of them once, at the start of the program. Each value remembers its [`Origin`]. A value
//! that cannot be used becomes an [`Error`] in [`Config::errors`], and the next source in the order supplies the value.
//!
//! - `file`: `config.toml`
//! - `folders`: the user's folders for settings, data and state
//! - `values`: the values that are one of a list
//!
//! Variables that describe the terminal (`TERM`, `COLORTERM`, `TMUX`, …) are not settings: `terminal` reads them.

mod error;
pub mod file;
mod folders;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

pub use error::{Error, Result};
use file::ConfigFile;
pub use folders::Folders;
pub use values::{ImageMode, LogLevel};

/// Environment variable: the project's folder.
pub const PROJECT: &str = "PENTIMENTO_PROJECT";
/// Environment variable: how images are shown.
pub const IMAGES: &str = "PENTIMENTO_IMAGES";
/// Environment variable: how much goes to the log.
pub const LOG: &str = "PENTIMENTO_LOG";
/// Environment variable: no colours (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// Environment variables: the name of the user who is logged in.
const USER: [&str; 2] = ["USER", "LOGNAME"];

/// Signs reviews if neither the user nor the system gives a name.
const NOBODY: &str = "somebody";

/// The settings of this process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The project's folder, if a flag or a variable names one.
    pub project: Option<Setting<PathBuf>>,
    /// The workbench's theme. `None` is the default theme for the terminal's colours.
    pub theme: Setting<Option<String>>,
    /// Who signs reviews.
    pub reviewer: Setting<String>,
    pub images: Setting<ImageMode>,
    /// Whether colours are allowed.
    pub colour: Setting<bool>,
    pub log: Setting<LogLevel>,
    pub folders: Folders,
    /// What could not be read or used.
    pub errors: Vec<Error>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub origin: Origin,
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A command-line flag, with its dashes.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// `config.toml`, by its path.
    File(PathBuf),
    Default,
}

/// The global command-line flags that are settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub project: Option<PathBuf>,
    pub images: Option<ImageMode>,
    pub log: Option<LogLevel>,
}

static CURRENT: OnceLock<Config> = OnceLock::new();

impl Config {
    /// Reads the environment of this process and the user's `config.toml`, and keeps the result for [`Config::current`].
    /// Only the first call in a process reads.
    pub fn init(flags: &Flags) -> &'static Self {
        CURRENT.get_or_init(|| Self::load(flags, &|name| std::env::var_os(name), Folders::of_user()))
    }

    /// The settings of this process. Without an earlier [`Config::init`] they are read without flags.
    pub fn current() -> &'static Self {
        Self::init(&Flags::default())
    }

    /// Combines `flags`, the environment `variable` reads from, and the file in `folders`.
    pub fn load(flags: &Flags, variable: &dyn Fn(&str) -> Option<OsString>, folders: Folders) -> Self {
        let mut errors = Vec::new();
        let file = match folders.config_file().map(|path| ConfigFile::read(&path)) {
            None => ConfigFile::default(),
            Some(Ok((file, problems))) => {
                errors.extend(problems);
                file
            }
            Some(Err(error)) => {
                errors.push(error);
                ConfigFile::default()
            }
        };
        let from_file = || folders.config_file().map_or(Origin::Default, Origin::File);
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());

        let project = match &flags.project {
            Some(folder) => Some(Setting { value: folder.clone(), origin: Origin::Flag("--project") }),
            None => set(PROJECT).map(|folder| Setting { value: folder.into(), origin: Origin::Variable(PROJECT) }),
        };
        let theme = match file.theme {
            Some(theme) => Setting { value: Some(theme), origin: from_file() },
            None => Setting::default_of(None),
        };
        let user = || {
            let name = |name: &'static str| Some((name, set(name)?.to_string_lossy().into_owned()));
            USER.into_iter().filter_map(name).find(|(_, value)| !value.trim().is_empty())
        };
        let reviewer = match (file.reviewer, user) {
            (Some(reviewer), _) => Setting { value: reviewer, origin: from_file() },
            (None, user) => match user() {
                Some((name, value)) => Setting { value, origin: Origin::Variable(name) },
                None => Setting::default_of(NOBODY.to_owned()),
            },
        };
        let images = flags
            .images
            .map(|mode| Setting { value: mode, origin: Origin::Flag("--images") })
            .or_else(|| parse_variable(IMAGES, &set, &mut errors))
            .or_else(|| file.images.map(|mode| Setting { value: mode, origin: from_file() }))
            .unwrap_or_else(|| Setting::default_of(ImageMode::Auto));
        let colour = match set(NO_COLOR) {
            Some(_) => Setting { value: false, origin: Origin::Variable(NO_COLOR) },
            None => Setting::default_of(true),
        };
        let log = flags
            .log
            .map(|level| Setting { value: level, origin: Origin::Flag("--log") })
            .or_else(|| parse_variable(LOG, &set, &mut errors))
            .unwrap_or_else(|| Setting::default_of(LogLevel::Info));
        Self { project, theme, reviewer, images, colour, log, folders, errors }
    }
}

/// The value of a variable, if it is set and valid.
fn parse_variable<T: FromStr<Err = String>>(
    name: &'static str,
    set: &dyn Fn(&str) -> Option<OsString>,
    errors: &mut Vec<Error>,
) -> Option<Setting<T>> {
    let value = set(name)?.to_string_lossy().into_owned();
    match value.parse() {
        Ok(value) => Some(Setting { value, origin: Origin::Variable(name) }),
        Err(advice) => {
            errors.push(Error::InvalidVariable { name, value, advice });
            None
        }
    }
}

impl<T> Setting<T> {
    fn default_of(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

#[cfg(test)]
mod tests;
