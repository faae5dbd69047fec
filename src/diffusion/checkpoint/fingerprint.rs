//! Hashes of the files that a generation is made from.

use std::path::PathBuf;

use blake3::{Hash, Hasher};

use super::component::component_files;
use super::files::{Bytes, Files};
use crate::diffusion::{Error, Result};

/// Hashes one file.
pub fn file(folder: &Files, name: &str) -> Result<Hash> {
    match folder.bytes(name)? {
        Bytes::Embedded(bytes) => Ok(blake3::hash(bytes)),
        Bytes::Disk(path) => on_disk(path),
    }
}

/// Hashes components, each a folder (empty for the root) and the stem of its weights, if it has any.
///
/// The hash is over a sorted list with a line `HASH  FOLDER/NAME` for each file, as `b3sum` prints it. The files are the
/// weights that would be loaded and every config and vocabulary.
pub fn folders(root: &Files, components: &[(&str, Option<&str>)]) -> Result<Hash> {
    let mut lines = Vec::new();
    for &(component, stem) in components {
        let folder = if component.is_empty() { root.clone() } else { root.folder(component) };
        let mut names = match stem {
            Some(stem) => component_files(&folder, stem)?,
            None => Vec::new(),
        };
        names.extend(folder.names().into_iter().filter(|name| is_config(name)));
        for name in names {
            let path = if component.is_empty() { name.clone() } else { format!("{component}/{name}") };
            lines.push(format!("{}  {path}\n", file(&folder, &name)?.to_hex()));
        }
    }
    lines.sort();
    Ok(blake3::hash(lines.concat().as_bytes()))
}

/// Configs and vocabularies. The indices of sharded weights do not count: they say nothing about values.
fn is_config(name: &str) -> bool {
    (name.ends_with(".json") || name.ends_with(".txt")) && !name.contains(".index.") && name != "model_index.json"
}

fn on_disk(path: PathBuf) -> Result<Hash> {
    let unreadable = |source| Error::Unreadable { path: path.clone(), source };
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let mut hasher = Hasher::new();
    hasher.update_reader(file).map_err(unreadable)?;
    Ok(hasher.finalize())
}
