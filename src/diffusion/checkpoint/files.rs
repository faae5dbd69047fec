//! The files of a checkpoint folder, on disk or inside the binary.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use include_dir::Dir;
use serde::de::DeserializeOwned;

use crate::diffusion::{Error, Result};

/// Configuration files are small; one of this size is something else.
const LARGEST_CONFIG: u64 = 16 << 20;

/// A folder of files: on disk, or compiled into the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    root: Root,
    /// Below the root, with `/` between the parts; empty for the root itself.
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
    /// A folder on disk. Whether it exists is found out when a file is asked for.
    pub fn on_disk(folder: impl Into<PathBuf>) -> Self {
        Self { root: Root::Disk(folder.into()), inside: String::new() }
    }

    /// A folder inside the program.
    pub fn embedded(folder: &'static Dir<'static>) -> Self {
        Self { root: Root::Embedded(folder), inside: String::new() }
    }

    /// The folder `name` in this one.
    pub fn folder(&self, name: &str) -> Self {
        Self { root: self.root.clone(), inside: join(&self.inside, name) }
    }

    /// Where this folder is, as messages say it.
    pub fn path(&self) -> PathBuf {
        match &self.root {
            Root::Disk(root) if self.inside.is_empty() => root.clone(),
            Root::Disk(root) => root.join(&self.inside),
            Root::Embedded(_) => Path::new("<embedded>").join(&self.inside),
        }
    }

    /// Where a file of this folder is, as messages say it.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether this folder is there.
    pub fn exists(&self) -> bool {
        match &self.root {
            Root::Disk(_) => self.path().is_dir(),
            Root::Embedded(dir) => self.inside.is_empty() || dir.get_dir(&self.inside).is_some(),
        }
    }

    /// Whether the file `name` is in this folder.
    pub fn has(&self, name: &str) -> bool {
        match &self.root {
            Root::Disk(_) => self.path_of(name).is_file(),
            Root::Embedded(dir) => dir.get_file(join(&self.inside, name)).is_some(),
        }
    }

    /// The names of the files in this folder, sorted; none when it cannot be listed.
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

    /// The whole of a small file.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        match self.bytes(name)? {
            Bytes::Embedded(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Disk(path) => {
                let unreadable = |source| Error::Unreadable { path: path.clone(), source };
                let size = std::fs::metadata(&path).map_err(unreadable)?.len();
                if size > LARGEST_CONFIG {
                    let reason = format!("it has {size} bytes, far more than such a file needs");
                    return Err(Error::BadConfig { path, reason });
                }
                std::fs::read(&path).map(Cow::Owned).map_err(unreadable)
            }
        }
    }

    /// A JSON file as a value of type `T`; unknown keys are passed over.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.read(name)?)
            .map_err(|error| Error::BadConfig { path: self.path_of(name), reason: error.to_string() })
    }

    /// Where the bytes of a file are, or the sentence that it is missing.
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

    fn missing(&self, name: &str) -> Error {
        let (path, what) = if self.exists() {
            (self.path_of(name), "the folder is there, but not this file".to_owned())
        } else {
            (self.path(), format!("there is no such folder (looking for {name} in it)"))
        };
        Error::Missing {
            path,
            what,
            remedy: "a checkpoint is a diffusers folder with model_index.json, unet/, vae/, text_encoder/, \
                     tokenizer/ and scheduler/"
                .to_owned(),
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
