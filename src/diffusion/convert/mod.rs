//! Converts pickle files of PyTorch to safetensors without running their code.
//!
//! - `pickle`: reads the instructions and calls nothing; `tensors`: what they describe; `storages`: the numbers

mod pickle;
mod storages;
mod tensors;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, json};

use self::storages::Storages;
use self::tensors::Stored;
use super::checkpoint::{FileKind, START};

/// Tensors that share a storage are written once each. More bytes than this many times the file are an attack.
const LARGEST_GROWTH: u64 = 4;

/// Why a file was not converted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },

    #[error("cannot write {}: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },

    #[error("{} already exists: choose another name, or overwrite it with --force", path.display())]
    Exists { path: PathBuf },

    /// `remedy` begins with a verb.
    #[error("{} is {what}, not a pickle file: {remedy}", path.display())]
    NotAPickle { path: PathBuf, what: &'static str, remedy: &'static str },

    #[error("cannot convert {}: {reason}. Use the safetensors file of the same model", path.display())]
    Refused { path: PathBuf, reason: String },
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Converted {
    pub tensors: usize,
    /// The size of the new file.
    pub bytes: u64,
    /// The names of values that are no tensors.
    pub left_out: Vec<String>,
}

/// Writes the tensors of a pickle file to `output`. Readers of `output` see no incomplete file. An existing file is
/// only replaced with `force`, and may be `input` itself.
pub fn convert(input: &Path, output: &Path, force: bool) -> Result<Converted, Error> {
    let unreadable = |source| Error::Unreadable { path: input.to_owned(), source };
    let refused = |reason| Error::Refused { path: input.to_owned(), reason };
    let unwritable = |source| Error::Unwritable { path: output.to_owned(), source };
    if output.exists() && !force {
        return Err(Error::Exists { path: output.to_owned() });
    }
    let file = File::open(input).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut start = Vec::new();
    (&file).take(START as u64).read_to_end(&mut start).map_err(unreadable)?;
    require_pickle(input, &start)?;

    let file = File::open(input).map_err(unreadable)?;
    let (pickle, mut storages) = Storages::open(file, tensors::storage_bytes).map_err(refused)?;
    let (tensors, left_out) = tensors::find(&pickle).map_err(refused)?;
    let total = tensors.values().fold(0u64, |sum, tensor| sum.saturating_add(tensor.bytes()));
    if tensors.is_empty() {
        return Err(refused("it holds no tensors".to_owned()));
    }
    if total > size.saturating_mul(LARGEST_GROWTH) {
        return Err(refused(format!("its tensors claim {total} bytes, but the file has {size}")));
    }

    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".convert-").tempfile_in(folder).map_err(unwritable)?;
    let header = header(&tensors);
    let mut writer = BufWriter::new(temporary.as_file());
    let length = (header.len() as u64).to_le_bytes();
    writer.write_all(&length).and_then(|()| writer.write_all(&header)).map_err(unwritable)?;
    for (name, tensor) in &tensors {
        let bytes = tensor.read(&mut storages).map_err(|reason| refused(format!("{name}: {reason}")))?;
        writer.write_all(&bytes).map_err(unwritable)?;
    }
    writer.flush().map_err(unwritable)?;
    drop(writer);
    temporary.as_file().sync_all().map_err(unwritable)?;
    let placed = if force { temporary.persist(output) } else { temporary.persist_noclobber(output) };
    placed.map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => Error::Exists { path: output.to_owned() },
        _ => unwritable(error.error),
    })?;
    Ok(Converted { tensors: tensors.len(), bytes: 8 + header.len() as u64 + total, left_out })
}

fn require_pickle(path: &Path, start: &[u8]) -> Result<(), Error> {
    let wrong = |what, remedy| Err(Error::NotAPickle { path: path.to_owned(), what, remedy });
    match FileKind::of(start) {
        Some(FileKind::Pickle) => Ok(()),
        Some(kind @ FileKind::Safetensors) => wrong(kind.name(), "use it under a name that ends in .safetensors"),
        Some(kind) => wrong(kind.name(), "download the model's own file"),
        None => wrong("of an unknown format", "download the model's own file"),
    }
}

/// The header of a safetensors file, padded to a multiple of eight bytes.
fn header(tensors: &std::collections::BTreeMap<String, Stored>) -> Vec<u8> {
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut begin = 0;
    for (name, tensor) in tensors {
        let end = begin + tensor.bytes();
        let entry = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, end]});
        entries.insert(name.clone(), entry);
        begin = end;
    }
    let mut header = serde_json::Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    header
}
