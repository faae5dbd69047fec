//! A folder of files, on disk or inside the binary.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use include_dir::Dir;
use serde::de::DeserializeOwned;

use super::kind::{BOM, FileKind, START};
use crate::diffusion::{Error, Result};

/// In bytes. Config and vocabulary files are far smaller.
const LARGEST_CONFIG: u64 = 16 << 20;

/// What to do about a checkpoint with missing files.
pub(super) const USE_DIFFUSERS_FOLDER: &str =
    "use a complete diffusers folder, with model_index.json, unet/, vae/, text_encoder/, tokenizer/ and scheduler/";

/// A folder of files, on disk or compiled into the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    root: Root,
    /// The path below the root, with `/` between its parts; empty for the root itself.
    inside: String,
}

#[derive(Clone, Debug)]
enum Root {
    Disk(PathBuf),
    Embedded(&'static Dir<'static>),
}

/// A file's bytes: on disk, to be read through its path, or already in memory.
pub(super) enum Bytes {
    Disk(PathBuf),
    Embedded(&'static [u8]),
}

impl Files {
    /// A folder on disk, which need not exist yet.
    pub fn on_disk(folder: impl Into<PathBuf>) -> Self {
        Self { root: Root::Disk(folder.into()), inside: String::new() }
    }

    /// A folder inside the program.
    pub fn embedded(folder: &'static Dir<'static>) -> Self {
        Self { root: Root::Embedded(folder), inside: String::new() }
    }

    /// The subfolder `name`.
    pub fn folder(&self, name: &str) -> Self {
        Self { root: self.root.clone(), inside: join(&self.inside, name) }
    }

    /// The path of this folder, for messages; it begins with `<embedded>` inside the program.
    pub fn path(&self) -> PathBuf {
        match &self.root {
            Root::Disk(root) if self.inside.is_empty() => root.clone(),
            Root::Disk(root) => root.join(&self.inside),
            Root::Embedded(_) => Path::new("<embedded>").join(&self.inside),
        }
    }

    /// The path of the file `name`, for messages.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether this folder exists.
    pub fn exists(&self) -> bool {
        match &self.root {
            Root::Disk(_) => self.path().is_dir(),
            Root::Embedded(dir) => self.inside.is_empty() || dir.get_dir(&self.inside).is_some(),
        }
    }

    /// Whether this folder has a file `name`.
    pub fn has(&self, name: &str) -> bool {
        match &self.root {
            Root::Disk(_) => self.path_of(name).is_file(),
            Root::Embedded(dir) => dir.get_file(join(&self.inside, name)).is_some(),
        }
    }

    /// The names of the files in this folder, sorted; empty if it cannot be listed.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.root {
            Root::Disk(_) => std::fs::read_dir(self.path())
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.path().is_file())
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
            Root::Embedded(dir) => {
                let here = if self.inside.is_empty() { Some(*dir) } else { dir.get_dir(&self.inside) };
                here.into_iter()
                    .flat_map(|dir| dir.files())
                    .filter_map(|file| Some(file.path().file_name()?.to_string_lossy().into_owned()))
                    .collect()
            }
        };
        names.sort();
        names
    }

    /// Reads a whole config or vocabulary, which may have at most 16 MiB, without its byte order mark. Refuses what
    /// stands in the place of a file.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        match self.bytes(name)? {
            Bytes::Embedded(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Disk(path) => {
                let unreadable = |source| Error::Unreadable { path: path.clone(), source };
                let size = std::fs::metadata(&path).map_err(unreadable)?.len();
                if size > LARGEST_CONFIG {
                    let reason = format!("it has {size} bytes, more than the {LARGEST_CONFIG} that are allowed");
                    return Err(Error::BadConfig { path, reason });
                }
                let mut bytes = std::fs::read(&path).map_err(unreadable)?;
                if let Some(error) = FileKind::of(&bytes).and_then(|kind| kind.refuse_as_config(&path)) {
                    return Err(error);
                }
                if bytes.starts_with(BOM) {
                    bytes.drain(..BOM.len());
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Reads a JSON file as a `T`, ignoring unknown keys.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.read(name)?)
            .map_err(|error| Error::BadConfig { path: self.path_of(name), reason: error.to_string() })
    }

    /// What a file is by its first bytes; `None` if that is unknown or it cannot be read.
    pub(super) fn kind(&self, name: &str) -> Option<FileKind> {
        match self.bytes(name).ok()? {
            Bytes::Embedded(bytes) => FileKind::of(&bytes[..bytes.len().min(START)]),
            Bytes::Disk(path) => {
                let mut start = Vec::new();
                std::fs::File::open(path).ok()?.take(START as u64).read_to_end(&mut start).ok()?;
                FileKind::of(&start)
            }
        }
    }

    /// Locates the bytes of a file; [`Error::Missing`] if there is none.
    pub(super) fn bytes(&self, name: &str) -> Result<Bytes> {
        match &self.root {
            Root::Disk(_) if self.has(name) => Ok(Bytes::Disk(self.path_of(name))),
            Root::Embedded(dir) => match dir.get_file(join(&self.inside, name)) {
                Some(file) => Ok(Bytes::Embedded(file.contents())),
                None => Err(self.missing(name)),
            },
            Root::Disk(_) => Err(self.missing(name)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> Error {
        Error::Missing {
            path: if self.exists() { self.path_of(name) } else { self.path() },
            what: "is missing".to_owned(),
            remedy: USE_DIFFUSERS_FOLDER.to_owned(),
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
