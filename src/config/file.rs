//! `config.toml`: a flat table of strings.

use std::io::{ErrorKind, Write};
use std::path::Path;

use toml::{Table, Value};

use super::{Error, ImageMode, Result};

/// The keys of `config.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Key {
    Theme,
    Reviewer,
    Images,
}

/// The valid values of `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    pub theme: Option<String>,
    pub reviewer: Option<String>,
    pub images: Option<ImageMode>,
}

impl ConfigFile {
    /// Reads `path` and lists the keys and values in it that cannot be used. A missing file is an empty one.
    pub fn read(path: &Path) -> Result<(Self, Vec<Error>)> {
        let (mut file, mut errors) = (Self::default(), Vec::new());
        for (name, value) in read_table(path)? {
            let Some(key) = Key::named(&name) else {
                errors.push(Error::UnknownKey { path: path.to_owned(), key: name, known: Key::names() });
                continue;
            };
            let invalid = |advice: &str| Error::InvalidValue {
                path: path.to_owned(),
                key: key.name(),
                value: value.to_string(),
                advice: advice.to_owned(),
            };
            let Value::String(text) = &value else {
                errors.push(invalid("use a string"));
                continue;
            };
            if text.trim().is_empty() {
                continue;
            }
            match key {
                Key::Theme => file.theme = Some(text.clone()),
                Key::Reviewer => file.reviewer = Some(text.clone()),
                Key::Images => match text.parse() {
                    Ok(mode) => file.images = Some(mode),
                    Err(advice) => errors.push(invalid(&advice)),
                },
            }
        }
        Ok((file, errors))
    }
}

/// Sets one key in the file at `path`, or removes it. Creates the file and its folder if they are missing. Keeps other
/// keys, but not comments.
pub fn set(path: &Path, key: Key, value: Option<&str>) -> Result<()> {
    let mut table = read_table(path)?;
    match value {
        Some(value) => table.insert(key.name().to_owned(), Value::String(value.to_owned())),
        None => table.remove(key.name()),
    };
    let failed = |error: std::io::Error| Error::Unwritable { path: path.to_owned(), reason: error.to_string() };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    // A reader sees the old file or the new one, never half of it.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(table.to_string().as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn read_table(path: &Path) -> Result<Table> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Table::new()),
        Err(error) => return Err(Error::Unreadable { path: path.to_owned(), reason: error.to_string() }),
    };
    text.parse().map_err(|error: toml::de::Error| Error::Malformed {
        path: path.to_owned(),
        reason: error.message().to_owned(),
    })
}

impl Key {
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn named(name: &str) -> Option<Self> {
        <Self as strum::VariantArray>::VARIANTS.iter().copied().find(|key| key.name() == name)
    }

    fn names() -> String {
        let names = <Self as strum::VariantArray>::VARIANTS.iter().map(|key| key.name());
        names.collect::<Vec<_>>().join(", ")
    }
}
