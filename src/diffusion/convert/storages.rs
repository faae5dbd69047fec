//! Where a pickle file of PyTorch keeps its numbers: in a ZIP archive, or one after the other (the older format;
//! PyTorch, `torch/serialization.py`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::pickle::{self, Pickle, Value};

/// In bytes. The pickle of a checkpoint with thousands of tensors has about 1 MiB.
const LARGEST_PICKLE: u64 = 64 << 20;

/// The integer that the older format begins with.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The storages of an open file, by their keys.
pub enum Storages {
    /// An archive, and the folder in it that holds everything.
    Zip { archive: ZipArchive<BufReader<File>>, folder: String },
    /// A file, and the offset and the length in bytes of each storage.
    Plain { file: BufReader<File>, places: HashMap<String, (u64, u64)> },
}

impl Storages {
    /// Opens a file and reads its pickle. `lengths` tells the length in bytes of each storage.
    pub fn open(mut file: File, lengths: impl Fn(&Pickle) -> HashMap<String, u64>) -> Result<(Pickle, Self), String> {
        let mut start = [0; 4];
        let zipped = file.read_exact(&mut start).is_ok() && start == *b"PK\x03\x04";
        file.rewind().map_err(|error| error.to_string())?;
        if zipped { open_zip(file) } else { open_plain(file, lengths) }
    }

    /// Reads `length` bytes of a storage from `offset`.
    pub fn read(&mut self, key: &str, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        let missing = || format!("the storage {key:?} is missing or damaged");
        let mut bytes = Vec::new();
        match self {
            Self::Zip { archive, folder } => {
                let mut entry = archive.by_name(&format!("{folder}/data/{key}")).map_err(|_| missing())?;
                if entry.size() < offset.saturating_add(length) {
                    return Err(format!("the storage {key:?} has only {} bytes", entry.size()));
                }
                std::io::copy(&mut entry.by_ref().take(offset), &mut std::io::sink()).map_err(|_| missing())?;
                entry.take(length).read_to_end(&mut bytes).map_err(|_| missing())?;
            }
            Self::Plain { file, places } => {
                let (start, size) = *places.get(key).ok_or_else(missing)?;
                if size < offset.saturating_add(length) {
                    return Err(format!("the storage {key:?} has only {size} bytes"));
                }
                file.seek(SeekFrom::Start(start + offset)).map_err(|_| missing())?;
                file.take(length).read_to_end(&mut bytes).map_err(|_| missing())?;
            }
        }
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(format!("the storage {key:?} ends too early")) }
    }
}

fn open_zip(file: File) -> Result<(Pickle, Storages), String> {
    let damaged = |error: zip::result::ZipError| format!("its archive is damaged ({error})");
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let name = archive.file_names().filter_map(Result::ok).find(|name| name.ends_with("/data.pkl"));
    let name = name.ok_or_else(|| "its archive has no data.pkl".to_owned())?.into_owned();
    let folder = name.trim_end_matches("/data.pkl").to_owned();
    if let Ok(mut order) = archive.by_name(&format!("{folder}/byteorder")) {
        let mut text = String::new();
        let _ = order.by_ref().take(16).read_to_string(&mut text);
        if text != "little" {
            return Err(format!("its numbers are {text:?}-endian"));
        }
    }
    let mut bytes = Vec::new();
    let entry = archive.by_name(&name).map_err(damaged)?;
    entry.take(LARGEST_PICKLE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_PICKLE {
        return Err(format!("its pickle has more than {LARGEST_PICKLE} bytes"));
    }
    Ok((pickle::read(&bytes)?, Storages::Zip { archive, folder }))
}

/// Five pickles (a magic number, a version, facts about the writer, the contents, the keys of the storages), then each
/// storage: the number of its values, and the values.
fn open_plain(file: File, lengths: impl Fn(&Pickle) -> HashMap<String, u64>) -> Result<(Pickle, Storages), String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let size = file.metadata().map_err(unreadable)?.len();
    let mut file = BufReader::new(file);
    let mut bytes = Vec::new();
    file.by_ref().take(LARGEST_PICKLE).read_to_end(&mut bytes).map_err(unreadable)?;
    let mut at = 0;
    let mut next = || {
        let pickle = pickle::read(&bytes[at..])?;
        at += pickle.length;
        Ok::<_, String>(pickle)
    };
    let magic = next()?;
    if magic.values[magic.root] != Value::Long(MAGIC.to_vec()) {
        return Err("it was not written by PyTorch".to_owned());
    }
    next()?;
    next()?;
    let (contents, keys) = (next()?, next()?);
    let Value::List(ids) = &keys.values[keys.root] else { return Err("it has no list of storages".to_owned()) };
    let lengths = lengths(&contents);
    let mut places = HashMap::new();
    let mut place = at as u64;
    for id in ids {
        let Value::Text(key) = &keys.values[*id] else { return Err("a storage has no name".to_owned()) };
        let length = *lengths.get(key).ok_or_else(|| format!("nothing describes the storage {key:?}"))?;
        places.insert(key.clone(), (place + 8, length));
        place = place.saturating_add(8).saturating_add(length);
    }
    if place > size {
        return Err("it ends too early".to_owned());
    }
    Ok((contents, Storages::Plain { file, places }))
}
