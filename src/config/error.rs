//! Errors in the settings.

use std::path::PathBuf;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },

    #[error("cannot write {}: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },

    #[error("{} is not valid TOML: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },

    #[error("invalid {key} {value} in {}: {advice}", path.display())]
    InvalidValue { path: PathBuf, key: &'static str, value: String, advice: String },

    #[error("unknown key {key:?} in {}: remove it, or use one of {known}", path.display())]
    UnknownKey { path: PathBuf, key: String, known: String },

    #[error("invalid {name} {value:?}: {advice}")]
    InvalidVariable { name: &'static str, value: String, advice: String },

    #[error("no folder for settings: set HOME")]
    NoFolder,
}

impl Error {
    /// Whether the error is in `config.toml`, not in an environment variable.
    pub fn is_in_file(&self) -> bool {
        !matches!(self, Self::InvalidVariable { .. })
    }
}
