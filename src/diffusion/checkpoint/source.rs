//! Where a component's tensors are stored: one safetensors file or several shards, on disk or embedded.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::component::component_files;
use super::files::Files;
use super::safetensors::SafetensorsFile;
use super::values::Values;
use crate::diffusion::{Error, Result};

/// Stored tensors, by the names they have in their files. [`Weights`](super::Weights) gives them the names that
/// layers ask for.
pub struct Source {
    files: Vec<SafetensorsFile>,
    /// Each tensor's name, and the index of its file.
    index: HashMap<String, usize>,
}

impl Source {
    /// Opens the weights of a component folder; `component` chooses among its files.
    pub fn component(folder: &Files, stem: &str) -> Result<Self> {
        Self::open(folder, &component_files(folder, stem)?)
    }

    /// Opens one safetensors file of a folder.
    pub fn file(folder: &Files, name: &str) -> Result<Self> {
        Self::open(folder, &[name.to_owned()])
    }

    fn open(folder: &Files, names: &[String]) -> Result<Self> {
        let files = names.iter().map(|name| SafetensorsFile::open(folder, name)).collect::<Result<Vec<_>>>()?;
        let index =
            files.iter().enumerate().flat_map(|(number, file)| file.names().map(move |name| (name, number))).collect();
        Ok(Self { files, index })
    }

    /// The names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// The shape of a stored tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        self.file_of(name)?.shape(name).ok_or_else(|| self.missing(name))
    }

    /// The file that holds a tensor; the first file when none does.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.file_of(name).map_or_else(|_| self.path().to_owned(), |file| file.path().to_owned())
    }

    /// The first file, for messages about the component as a whole.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), SafetensorsFile::path)
    }

    /// Reads a tensor, or only these rows of it, which must be within its shape.
    pub(super) fn read(&self, name: &str, rows: Option<Range<usize>>) -> Result<Values> {
        self.file_of(name)?.read(name, rows)
    }

    fn file_of(&self, name: &str) -> Result<&SafetensorsFile> {
        self.index.get(name).map(|&number| &self.files[number]).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingTensor { path: self.path().to_owned(), name: name.to_owned() }
    }
}
