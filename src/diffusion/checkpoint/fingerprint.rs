//! Which files a generation was made from, told by their contents.

use std::path::PathBuf;

use blake3::{Hash, Hasher};

use super::files::{Bytes, Files};
use super::weights::component_files;
use crate::diffusion::{Error, Result};

/// The hash of one file.
pub fn file(folder: &Files, name: &str) -> Result<Hash> {
    match folder.bytes(name)? {
        Bytes::Embedded(bytes) => Ok(blake3::hash(bytes)),
        Bytes::Disk(path) => on_disk(path),
    }
}

/// The hash of a list of hashes: one line `HASH  FOLDER/NAME` for every file that counts in the folders, sorted, as
/// `b3sum` prints it. Those are the weights that would be loaded, by the stem of their name, and every small file that
/// says how to read them.
pub fn folders(root: &Files, components: &[(&str, Option<&str>)]) -> Result<Hash> {
    let mut lines = Vec::new();
    for &(component, stem) in components {
        let folder = if component.is_empty() { root.clone() } else { root.folder(component) };
        let mut names = match stem {
            Some(stem) => component_files(&folder, stem)?,
            None => Vec::new(),
        };
        names.extend(folder.names().into_iter().filter(|name| counts(name)));
        for name in names {
            let place = if component.is_empty() { name.clone() } else { format!("{component}/{name}") };
            lines.push(format!("{}  {place}\n", file(&folder, &name)?.to_hex()));
        }
    }
    lines.sort();
    Ok(blake3::hash(lines.concat().as_bytes()))
}

/// Configs and vocabularies; not the tables of contents of weights, which say nothing about their values.
fn counts(name: &str) -> bool {
    (name.ends_with(".json") || name.ends_with(".txt")) && !name.contains(".index.") && name != "model_index.json"
}

fn on_disk(path: PathBuf) -> Result<Hash> {
    let unreadable = |source| Error::Unreadable { path: path.clone(), source };
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let mut hasher = Hasher::new();
    hasher.update_reader(file).map_err(unreadable)?;
    Ok(hasher.finalize())
}
