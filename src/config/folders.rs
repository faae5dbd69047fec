//! The user's folders, as the XDG base directories (or their counterparts on macOS and Windows) define them.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// Where the user's own files are. All are `None` if the home folder is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// `config.toml`, `keymap.toml` and `themes/`.
    pub config: Option<PathBuf>,
    /// The user's own project.
    pub data: Option<PathBuf>,
    /// The log.
    pub state: Option<PathBuf>,
}

impl Folders {
    pub fn of_user() -> Self {
        let Some(folders) = ProjectDirs::from("", "", "pentimento") else { return Self::default() };
        // Only XDG knows a state folder.
        let state = folders.state_dir().unwrap_or_else(|| folders.data_local_dir());
        Self {
            config: Some(folders.config_dir().to_owned()),
            data: Some(folders.data_dir().to_owned()),
            state: Some(state.to_owned()),
        }
    }

    pub fn config_file(&self) -> Option<PathBuf> {
        self.in_config("config.toml")
    }

    pub fn keymap(&self) -> Option<PathBuf> {
        self.in_config("keymap.toml")
    }

    /// The folder of the user's own themes.
    pub fn themes(&self) -> Option<PathBuf> {
        self.in_config("themes")
    }

    /// The project that is used if no other is named and none is around the current folder.
    pub fn own_project(&self) -> Option<PathBuf> {
        self.data.as_deref().map(|data| data.join("project"))
    }

    fn in_config(&self, name: &str) -> Option<PathBuf> {
        self.config.as_deref().map(|config: &Path| config.join(name))
    }
}
